{{- define "sentinel.name" -}}{{ .Chart.Name | trunc 63 | trimSuffix "-" }}{{- end }}
{{- define "sentinel.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "sentinel.selector" -}}
app.kubernetes.io/name: {{ include "sentinel.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{/* The label of pods that carry this release's sidecar. */}}
{{- define "sentinel.mark" -}}
saas-sentinel/sidecar: {{ include "sentinel.fullname" . }}
{{- end }}
{{- define "sentinel.labels" -}}
{{ include "sentinel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
{{- define "sentinel.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "sentinel.fullname" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}
{{- define "sentinel.policies" -}}{{ default (printf "%s-policies" (include "sentinel.fullname" .)) .Values.existingPolicies }}{{- end }}
{{- define "sentinel.secret" -}}{{ required "existingSecret: name a Secret with SENTINEL_DATABASE_URL and the login to Vault" .Values.existingSecret }}{{- end }}
{{/* The Secret of the listener's certificate; empty for plain HTTP. */}}
{{- define "sentinel.tls" -}}
{{- if .Values.tls.certManager.enabled }}{{ default (printf "%s-tls" (include "sentinel.fullname" .)) .Values.tls.secret }}{{ else }}{{ .Values.tls.secret }}{{ end }}
{{- end }}
{{/* Whether the listener has a certificate, from a Secret or from the node's agent. */}}
{{- define "sentinel.secure" -}}{{ if or (include "sentinel.tls" .) .Values.tls.sds.enabled }}yes{{ end }}{{- end }}
{{/* Where Envoy finds the agent's socket. */}}
{{- define "sentinel.sds" -}}
{{- with .Values.tls.sds -}}
sds:
  socket: /run/spire/sockets/{{ .socket }}
  certificate: {{ .certificate | quote }}
  {{- with .bundle }}
  bundle: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{/* The names under which services reach the gateway, as a JSON list. */}}
{{- define "sentinel.hosts" -}}
{{- if eq .Values.mode "sidecar" }}{{ toJson .Values.hosts }}{{ else -}}
{{- $name := include "sentinel.fullname" . -}}
{{- $ns := .Release.Namespace -}}
{{- concat (list $name (printf "%s.%s" $name $ns) (printf "%s.%s.svc" $name $ns) (printf "%s.%s.svc.cluster.local" $name $ns)) .Values.hosts | toJson -}}
{{- end }}
{{- end }}
{{- define "sentinel.image" -}}
{{- $tag := default .default .image.tag -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}
{{- define "sentinel.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{/* sentinel.yaml: the chart's own addresses win over those of the values. */}}
{{- define "sentinel.config" -}}
{{- $hosts := concat (include "sentinel.hosts" . | fromJsonArray) (list "localhost" "127.0.0.1") -}}
{{- $envoy := dict "listen" (ternary "127.0.0.1:10000" "0.0.0.0:10000" (eq .Values.mode "sidecar")) "admin" "127.0.0.1:9901" "access_log" "/dev/stdout" "witness" "/var/log/sentinel/witness.json" "hosts" $hosts -}}
{{- if include "sentinel.tls" . -}}
{{- $tls := dict "cert" "/etc/sentinel/tls/tls.crt" "key" "/etc/sentinel/tls/tls.key" -}}
{{- if .Values.tls.clientCA -}}{{- $tls = merge $tls (dict "client_ca" "/etc/sentinel/tls/ca.crt" "require_client_cert" .Values.tls.requireClientCert) -}}{{- end -}}
{{- $envoy = merge $envoy (dict "tls" $tls) -}}
{{- end -}}
{{- with .Values.tls.sds -}}
{{- if .enabled -}}
{{- if include "sentinel.tls" $ }}{{ fail "tls: a certificate comes from a Secret or from sds: name one" }}{{ end -}}
{{- if and $.Values.tls.requireClientCert (not .bundle) }}{{ fail "tls.requireClientCert: name the clients' authorities in tls.sds.bundle" }}{{ end -}}
{{- $envoy = merge $envoy (dict "tls" (merge (dict "require_client_cert" $.Values.tls.requireClientCert) (include "sentinel.sds" $ | fromYaml))) -}}
{{- end -}}
{{- end -}}
{{- $own := dict "policies" "/etc/sentinel/policies/policies.yaml" "control" (dict "listen" "127.0.0.1:18000") "metrics" (dict "listen" "0.0.0.0:18001") "envoy" $envoy "spool" (dict "dir" "/var/lib/sentinel/spool") -}}
{{- if .Values.admin.enabled -}}
{{- $own = merge $own (dict "admin" (dict "listen" "0.0.0.0:18002" "url" (required "admin.url: say under which URL people reach the dashboard" .Values.admin.url))) -}}
{{- end -}}
{{- if .Values.proxy.enabled -}}
{{- $own = merge $own (dict "proxy" (include "sentinel.proxy" . | fromYaml)) -}}
{{- end -}}
{{- with .Values.vault -}}
{{- if .role -}}
{{- $own = merge $own (dict "vault" (dict "login" (dict "method" "kubernetes" "mount" .mount "role" .role "token_file" "/var/run/secrets/vault/token"))) -}}
{{- end -}}
{{- end -}}
{{- if .Values.redis.enabled -}}
{{- $own = merge $own (dict "redis" (dict "address" (list (printf "%s-redis:6379" .Release.Name)))) -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end }}

{{/* The part proxy of sentinel.yaml. */}}
{{- define "sentinel.proxy" -}}
{{- with .Values.proxy -}}
listen: {{ ternary "127.0.0.1:3128" "0.0.0.0:3128" (eq $.Values.mode "sidecar") }}
{{- if .redirect.enabled }}
redirected: 127.0.0.1:15001
{{- end }}
{{- if .ca.vault }}
ca: {{ printf "vault:%s" .ca.vault }}
{{- else if .ca.secret }}
ca: /etc/sentinel/proxy-ca/ca.pem
{{- else }}
{{- fail "proxy.ca: name the Secret of an authority that all pods share, or its engine and role in Vault" }}
{{- end }}
{{- if .tls.secret }}
tls:
  cert: /etc/sentinel/proxy-tls/tls.crt
  key: /etc/sentinel/proxy-tls/tls.key
  {{- if .tls.clientCA }}
  client_ca: /etc/sentinel/proxy-tls/ca.crt
  require_client_cert: {{ .tls.requireClientCert }}
  {{- end }}
{{- else if .tls.sds }}
{{- if not $.Values.tls.sds.enabled }}{{ fail "proxy.tls.sds: set tls.sds.enabled too" }}{{ end }}
tls:
  {{- include "sentinel.sds" $ | nindent 2 }}
  require_client_cert: {{ .tls.requireClientCert }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secrets that the proxy reads: its listener's certificate, and the authority. */}}
{{- define "sentinel.proxySecrets" -}}
{{- $of := dict -}}
{{- with .Values.proxy -}}
{{- if and .enabled .tls.secret }}{{ $_ := set $of "proxy-tls" .tls.secret }}{{ end -}}
{{- if and .enabled .ca.secret (not .ca.vault) }}{{ $_ := set $of "proxy-ca" .ca.secret }}{{ end -}}
{{- end -}}
{{- toJson $of -}}
{{- end }}

{{/* Where names are resolved, as a rule of a NetworkPolicy's egress. */}}
{{- define "sentinel.names" -}}
{{- with .Values.networkPolicy.dns }}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The ports of dependencies that do not come along, as JSON. */}}
{{- define "sentinel.outside" -}}
{{- $own := dict "6379" .Values.redis.enabled "5432" .Values.timescaledb.enabled -}}
{{- $others := list -}}
{{- range .Values.networkPolicy.dependencies.ports }}{{ if not (get $own (toString .)) }}{{ $others = append $others . }}{{ end }}{{ end -}}
{{- toJson $others -}}
{{- end }}

{{/* Where sentinel finds Redis, PostgreSQL and Vault, as rules of a NetworkPolicy's egress. Those that come along are at their own pods and nowhere else. */}}
{{- define "sentinel.dependencies" -}}
{{- $own := dict -}}
{{- if .Values.redis.enabled }}{{ $_ := set $own "6379" "redis" }}{{ end -}}
{{- if .Values.timescaledb.enabled }}{{ $_ := set $own "5432" "timescaledb" }}{{ end -}}
{{- range $port, $name := $own }}
- ports: [{port: {{ $port }}, protocol: TCP}]
  to: [{podSelector: {matchLabels: {app.kubernetes.io/name: {{ include "sentinel.name" $ }}-{{ $name }}, app.kubernetes.io/instance: {{ $.Release.Name }}}}}]
{{- end }}
{{- with include "sentinel.outside" . | fromJsonArray }}
- ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with $.Values.networkPolicy.dependencies.to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
