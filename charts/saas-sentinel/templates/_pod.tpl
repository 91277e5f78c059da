{{/* The parts of a pod that are the same in the gateway's own pods and, as sidecars, in those of others. */}}

{{/* Who a container runs as. Pods of others say that for themselves alone, so that a sidecar's containers say it again. */}}
{{- define "sentinel.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- if eq .Values.mode "sidecar" }}
runAsNonRoot: true
runAsUser: {{ include "sentinel.uid" . }}
runAsGroup: {{ include "sentinel.uid" . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- end }}

{{/* The user of a sidecar's processes: one that no application has, where it tells their connections from the application's. */}}
{{- define "sentinel.uid" -}}{{ if .Values.proxy.redirect.enabled }}{{ int .Values.proxy.redirect.uid }}{{ else }}65532{{ end }}{{- end }}

{{/* What sentinel reads: its configuration, the policy, the listener's certificate and Vault's login. */}}
{{- define "sentinel.configMounts" -}}
- {name: {{ include "sentinel.prefix" . }}config, mountPath: /etc/sentinel/sentinel.yaml, subPath: sentinel.yaml, readOnly: true}
- {name: {{ include "sentinel.prefix" . }}policies, mountPath: /etc/sentinel/policies, readOnly: true}
{{- if include "sentinel.tls" . }}
- {name: tls, mountPath: /etc/sentinel/tls, readOnly: true}
{{- end }}
{{- range $name, $_ := include "sentinel.proxySecrets" . | fromJson }}
- {name: {{ $name }}, mountPath: /etc/sentinel/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Before the name of a volume or container: those of a sidecar stand beside its application's. */}}
{{- define "sentinel.prefix" -}}{{ if eq .Values.mode "sidecar" }}sentinel-{{ end }}{{- end }}

{{- define "sentinel.metricsPort" -}}{{ if eq .Values.mode "sidecar" }}egress-{{ end }}metrics{{- end }}

{{- define "sentinel.bootstrapContainer" -}}
- name: {{ include "sentinel.prefix" . }}bootstrap
  image: {{ include "sentinel.image" (dict "image" .Values.image "default" .Chart.AppVersion) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [envoy, bootstrap, --config, /etc/sentinel/sentinel.yaml, --output, /etc/envoy/envoy.yaml]
  securityContext: {{- include "sentinel.containerSecurity" . | nindent 4 }}
  resources: {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    {{- include "sentinel.configMounts" . | nindent 4 }}
    - {name: {{ include "sentinel.prefix" . }}envoy, mountPath: /etc/envoy}
{{- end }}

{{- define "sentinel.sentinelContainer" -}}
- name: sentinel
  {{- if eq .Values.mode "sidecar" }}
  restartPolicy: Always
  {{- end }}
  image: {{ include "sentinel.image" (dict "image" .Values.image "default" .Chart.AppVersion) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [run, --config, /etc/sentinel/sentinel.yaml]
  envFrom:
    - secretRef: {name: {{ include "sentinel.secret" . }}}
  ports:
    - {name: {{ include "sentinel.metricsPort" . }}, containerPort: 18001}
    {{- if .Values.admin.enabled }}
    - {name: admin, containerPort: 18002}
    {{- end }}
  livenessProbe: {httpGet: {path: /livez, port: 18001}, periodSeconds: 10, failureThreshold: 3}
  readinessProbe: {httpGet: {path: /readyz, port: 18001}, periodSeconds: 5, failureThreshold: 2}
  {{- if eq .Values.mode "sidecar" }}
  startupProbe: {httpGet: {path: "/readyz?gateway", port: 18001}, periodSeconds: 1, failureThreshold: 120}
  {{- else }}
  startupProbe: {httpGet: {path: /livez, port: 18001}, periodSeconds: 2, failureThreshold: 30}
  {{- end }}
  securityContext: {{- include "sentinel.containerSecurity" . | nindent 4 }}
  resources: {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    {{- include "sentinel.configMounts" . | nindent 4 }}
    - {name: {{ include "sentinel.prefix" . }}spool, mountPath: /var/lib/sentinel}
    - {name: {{ include "sentinel.prefix" . }}witness, mountPath: /var/log/sentinel}
    {{- if .Values.vault.role }}
    - {name: {{ include "sentinel.prefix" . }}vault, mountPath: /var/run/secrets/vault, readOnly: true}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 4 }}{{- end }}
{{- end }}

{{- define "sentinel.envoyContainer" -}}
- name: {{ include "sentinel.prefix" . }}envoy
  {{- if eq .Values.mode "sidecar" }}
  restartPolicy: Always
  {{- end }}
  image: {{ include "sentinel.image" (dict "image" .Values.envoy.image "default" "") }}
  imagePullPolicy: {{ .Values.envoy.image.pullPolicy }}
  args: [--config-path, /etc/envoy/envoy.yaml, --log-level, {{ .Values.envoy.logLevel }}, --drain-time-s, {{ sub (int .Values.terminationGracePeriodSeconds) 30 | quote }}]
  {{- if eq .Values.mode "gateway" }}
  ports:
    - {name: gateway, containerPort: 10000}
    {{- if .Values.proxy.enabled }}
    - {name: proxy, containerPort: 3128}
    {{- end }}
  livenessProbe: {tcpSocket: {port: gateway}, periodSeconds: 10, failureThreshold: 6}
  readinessProbe: {tcpSocket: {port: gateway}, periodSeconds: 5}
  startupProbe: {tcpSocket: {port: gateway}, periodSeconds: 2, failureThreshold: 60}
  {{- end }}
  securityContext: {{- include "sentinel.containerSecurity" . | nindent 4 }}
  resources: {{- toYaml .Values.envoy.resources | nindent 4 }}
  volumeMounts:
    - {name: {{ include "sentinel.prefix" . }}envoy, mountPath: /etc/envoy, readOnly: true}
    - {name: {{ include "sentinel.prefix" . }}witness, mountPath: /var/log/sentinel}
    {{- if include "sentinel.tls" . }}
    - {name: tls, mountPath: /etc/sentinel/tls, readOnly: true}
    {{- end }}
    {{- if .Values.tls.sds.enabled }}
    - {name: spire, mountPath: /run/spire/sockets, readOnly: true}
    {{- end }}
    {{- if and .Values.proxy.enabled .Values.proxy.tls.secret }}
    - {name: proxy-tls, mountPath: /etc/sentinel/proxy-tls, readOnly: true}
    {{- end }}
{{- end }}

{{/* The rules that lead an application's connections to its sidecar: written by sentinel, put in force by an image that has nft. */}}
{{- define "sentinel.redirectContainers" -}}
- name: sentinel-rules
  image: {{ include "sentinel.image" (dict "image" .Values.image "default" .Chart.AppVersion) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [egress, rules, --config, /etc/sentinel/sentinel.yaml, --except, {{ include "sentinel.uid" . | quote }}, --output, /etc/envoy/rules.nft]
  securityContext: {{- include "sentinel.containerSecurity" . | nindent 4 }}
  resources: {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    {{- include "sentinel.configMounts" . | nindent 4 }}
    - {name: sentinel-envoy, mountPath: /etc/envoy}
- name: sentinel-redirect
  image: {{ include "sentinel.image" (dict "image" .Values.proxy.redirect.image "default" "latest") }}
  imagePullPolicy: {{ .Values.proxy.redirect.image.pullPolicy }}
  command: [nft, -f, /etc/envoy/rules.nft]
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL], add: [NET_ADMIN]}
    runAsNonRoot: false
    runAsUser: 0
    seccompProfile: {type: RuntimeDefault}
  resources: {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    - {name: sentinel-envoy, mountPath: /etc/envoy, readOnly: true}
{{- end }}

{{- define "sentinel.volumes" -}}
- name: {{ include "sentinel.prefix" . }}config
  configMap: {name: {{ include "sentinel.fullname" . }}}
- name: {{ include "sentinel.prefix" . }}policies
  configMap: {name: {{ include "sentinel.policies" . }}}
- name: {{ include "sentinel.prefix" . }}envoy
  emptyDir: {medium: Memory, sizeLimit: 8Mi}
# Envoy's account of what it carried: it outlives a sentinel that dies, which then knows what became of its calls.
- name: {{ include "sentinel.prefix" . }}witness
  emptyDir: {sizeLimit: 1Gi}
{{- if eq .Values.mode "sidecar" }}
- name: sentinel-spool
  emptyDir: {sizeLimit: {{ .Values.spool.size }}}
{{- end }}
{{- with .Values.vault }}
{{- if .role }}
- name: {{ include "sentinel.prefix" $ }}vault
  projected:
    sources: [{serviceAccountToken: {path: token, audience: {{ .audience }}, expirationSeconds: 3600}}]
{{- end }}
{{- end }}
{{- with include "sentinel.tls" . }}
- name: tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.tls.sds }}
{{- if .enabled }}
- name: spire
  {{- if .hostPath }}
  hostPath: {path: {{ .hostPath }}, type: Directory}
  {{- else }}
  csi: {driver: {{ .driver }}, readOnly: true}
  {{- end }}
{{- end }}
{{- end }}
{{- range $name, $secret := include "sentinel.proxySecrets" . | fromJson }}
- name: {{ $name }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}{{ toYaml . | nindent 0 }}{{- end }}
{{- end }}
