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
