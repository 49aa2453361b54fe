// Waiting for a roll-out or a deletion.

package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// WaitOptions is what WaitUntilRunning accepts.
type WaitOptions struct {
	// The roll-out to wait for, as a creation or an update answered it; where it is empty, the one that is the tenant's
	// newest when the wait begins.
	DeploymentID string
	// Time of the whole wait; 30 minutes where it is 0.
	Timeout time.Duration
	// Pause between looks; 1 s where it is 0.
	Poll time.Duration
	// Called with the first state and each that differs.
	OnProgress func(*DeploymentStatus)
}

// WaitUntilRunning waits until a roll-out of the tenant has ended and runs, over restarts of the server. It fails with a
// DeploymentFailedError, which has the reason, where that roll-out fails, is taken back or is replaced by a newer one,
// and with a TimeoutError where it takes too long.
func (c *Client) WaitUntilRunning(ctx context.Context, tenantID string, options *WaitOptions) (*DeploymentStatus, error) {
	wait := *orZero(options)
	if wait.Timeout <= 0 {
		wait.Timeout = 30 * time.Minute
	}
	if wait.Poll <= 0 {
		wait.Poll = time.Second
	}
	limited, cancel := context.WithTimeout(ctx, wait.Timeout)
	defer cancel()
	seen := ""
	for {
		status, err := c.lookAt(limited, tenantID, wait.DeploymentID)
		if err == nil && status != nil {
			wait.DeploymentID = status.DeploymentID
			state := fmt.Sprintf("%s %s %s %d %%", status.DeploymentID, status.Status, status.Phase, status.Progress)
			if state != seen && wait.OnProgress != nil {
				wait.OnProgress(status)
			}
			seen = state
			switch status.Status {
			case "running":
				return status, nil
			case "pending", "deploying":
			default:
				return nil, newDeploymentFailedError(status)
			}
		}
		if err == nil {
			err = sleep(limited, wait.Poll)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, fmt.Errorf("orchestrator: waiting for %s: %w", tenantID, context.Cause(ctx))
		case limited.Err() != nil:
			return nil, &TimeoutError{Op: "waiting for " + tenantID, Limit: wait.Timeout, Last: seen}
		default:
			return nil, err
		}
	}
}

// WaitUntilDeletedOptions is what WaitUntilDeleted accepts.
type WaitUntilDeletedOptions struct {
	// The deletion to wait for, as it was answered: a tenant that was created anew under the id since then is not waited
	// for. Where it is empty, the one that goes on when the wait begins.
	DeletionID string
	// Time of the whole wait; 30 minutes where it is 0.
	Timeout time.Duration
	// Pause between looks; 1 s where it is 0.
	Poll time.Duration
	// Called with the first state and each that differs.
	OnProgress func(*DeploymentStatus)
}

// WaitUntilDeleted waits until a tenant that is being deleted is gone, over restarts of the server. It fails with
// ErrConflict where nobody deletes the tenant, and with a TimeoutError, which says what is still in the way, where it
// takes too long.
func (c *Client) WaitUntilDeleted(ctx context.Context, tenantID string, options *WaitUntilDeletedOptions) error {
	wait := *orZero(options)
	if wait.Timeout <= 0 {
		wait.Timeout = 30 * time.Minute
	}
	if wait.Poll <= 0 {
		wait.Poll = time.Second
	}
	limited, cancel := context.WithTimeout(ctx, wait.Timeout)
	defer cancel()
	shown, last := "", ""
	for {
		status, err := c.lookAt(limited, tenantID, "")
		if err == nil && status != nil {
			if wait.DeletionID == "" && status.Status != "deleting" {
				return fmt.Errorf("orchestrator: %s is not being deleted: it is %s: %w", tenantID, status.Status, ErrConflict)
			}
			if wait.DeletionID == "" {
				wait.DeletionID = status.DeploymentID
			}
			if status.DeploymentID != wait.DeletionID || status.Status == "deleted" {
				return nil
			}
			last = status.Phase
			if len(status.Logs) > 0 {
				last = status.Logs[len(status.Logs)-1].Message
			}
			state := fmt.Sprintf("%s %d %% %s", status.Phase, status.Progress, last)
			if state != shown && wait.OnProgress != nil {
				wait.OnProgress(status)
			}
			shown = state
		}
		if err == nil {
			err = sleep(limited, wait.Poll)
		}
		switch {
		case err == nil:
		case errors.Is(err, ErrNotFound):
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("orchestrator: waiting for %s: %w", tenantID, context.Cause(ctx))
		case limited.Err() != nil:
			return &TimeoutError{Op: "waiting for the end of " + tenantID, Limit: wait.Timeout, Last: last}
		default:
			return err
		}
	}
}

// lookAt answers the state, or nothing while the server can not be asked.
func (c *Client) lookAt(ctx context.Context, tenantID, deploymentID string) (*DeploymentStatus, error) {
	status, err := c.GetDeploymentContext(ctx, tenantID, deploymentID)
	var late *TimeoutError
	if ctx.Err() == nil && (isTransient(err) || errors.As(err, &late)) {
		return nil, nil
	}
	return status, err
}
