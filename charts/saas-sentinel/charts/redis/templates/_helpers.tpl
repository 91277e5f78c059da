{{- define "redis.fullname" -}}{{ printf "%s-redis" .Release.Name | trunc 52 | trimSuffix "-" }}{{- end }}
{{- define "redis.selector" -}}
app.kubernetes.io/name: saas-sentinel-redis
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "redis.labels" -}}
{{ include "redis.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "redis.image" -}}{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}{{- end }}
{{- define "redis.password" -}}
{name: REDISCLI_AUTH, valueFrom: {secretKeyRef: {name: {{ required "redis.existingSecret: name the Secret with SENTINEL_REDIS_PASSWORD, the same as existingSecret" .Values.existingSecret }}, key: SENTINEL_REDIS_PASSWORD}}}
{{- end }}
{{- define "redis.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{/* Every node's host, in the order of their places. */}}
{{- define "redis.peers" -}}
{{- $name := include "redis.fullname" . -}}
{{- $hosts := list -}}
{{- range $i := until (int (mul .Values.masters (add1 .Values.replicasPerMaster))) -}}
{{- $hosts = append $hosts (printf "%s-%d.%s" $name $i $name) -}}
{{- end -}}
{{- join " " $hosts -}}
{{- end }}
