{{- define "ecp.labels" -}}
app.kubernetes.io/name: ecp-orchestrator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "ecp.selector" -}}
app.kubernetes.io/name: ecp-orchestrator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ecp.serviceAccount" -}}
{{ .Values.serviceAccount.name | default .Release.Name }}
{{- end }}

{{- /* Cluster-scoped names carry the namespace: two releases must not share a role. */ -}}
{{- define "ecp.clusterName" -}}
{{ .Release.Namespace }}-{{ .Release.Name }}
{{- end }}

{{- /* True where nothing is kept on a volume of this release: several replicas may run then. */ -}}
{{- define "ecp.shared" -}}
{{- if and .Values.database.secret .Values.metrics.url }}true{{ end }}
{{- end }}
