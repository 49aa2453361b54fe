// Manifests and the state of deployments.

package orchestrator

import (
	"context"
	"net/http"
)

// ManifestQuery says how to write a manifest; nil and fields left out mean the server's defaults.
type ManifestQuery struct {
	// yaml (default) or json.
	Format string
	// With ServiceMonitor and PrometheusRule; true where it is nil.
	IncludeMonitoring *bool
	// With Ingress; false where it is nil.
	IncludeIngress *bool
	// Another namespace than ecp-ai-<tenant_id>.
	Namespace string
	// Without the values of Secrets; false where it is nil.
	Redact *bool
}

// GetManifest answers the manifest of a tenant as YAML.
func (c *Client) GetManifest(tenantID string) (string, error) {
	return c.GetManifestContext(context.Background(), tenantID, nil)
}

// GetManifestContext is GetManifest with a context, settings and options: YAML, or JSON where Format says so.
func (c *Client) GetManifestContext(ctx context.Context, tenantID string, parameters *ManifestQuery, options ...CallOption) (string, error) {
	path, err := tenantPath(tenantID, "/manifest")
	if err != nil {
		return "", err
	}
	parameters = orZero(parameters)
	query := new(query).text("format", parameters.Format).text("namespace", parameters.Namespace)
	query.flag("include_monitoring", parameters.IncludeMonitoring).flag("include_ingress", parameters.IncludeIngress)
	query.flag("redact", parameters.Redact)
	return sendText(ctx, c, get(path, query).with(options))
}

// ValidateManifest checks a manifest and stores nothing.
func (c *Client) ValidateManifest(manifest *ValidateManifestRequest) (*Validation, error) {
	return c.ValidateManifestContext(context.Background(), manifest)
}

// ValidateManifestContext is ValidateManifest with a context and options.
func (c *Client) ValidateManifestContext(ctx context.Context, manifest *ValidateManifestRequest, options ...CallOption) (*Validation, error) {
	if manifest == nil {
		return nil, errNoBody
	}
	call := &call{method: http.MethodPost, path: "/tenants/validate-manifest", body: manifest, repeatable: true}
	return sendJSON[Validation](ctx, c, call.with(options))
}

// GetDeploymentStatus reads the state of a tenant's newest roll-out, or of its deletion.
func (c *Client) GetDeploymentStatus(tenantID string) (*DeploymentStatus, error) {
	return c.GetDeploymentStatusContext(context.Background(), tenantID)
}

// GetDeploymentStatusContext is GetDeploymentStatus with a context and options.
func (c *Client) GetDeploymentStatusContext(ctx context.Context, tenantID string, options ...CallOption) (*DeploymentStatus, error) {
	return c.GetDeploymentContext(ctx, tenantID, "", options...)
}

// GetDeploymentContext reads the state of one of a tenant's roll-outs, also where another has taken its place; of the
// newest where the id is empty.
func (c *Client) GetDeploymentContext(ctx context.Context, tenantID, deploymentID string, options ...CallOption) (*DeploymentStatus, error) {
	path, err := tenantPath(tenantID, "/deployment-status")
	if err != nil {
		return nil, err
	}
	return sendJSON[DeploymentStatus](ctx, c, get(path, new(query).text("deployment_id", deploymentID)).with(options))
}
