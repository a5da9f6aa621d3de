{{- /* Labels of one part; takes (list $ part). */}}
{{- define "devstack.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ $.Chart.Name }}-{{ $.Chart.Version }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
{{ include "devstack.selector" . }}
{{- end }}

{{- define "devstack.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "devstack.metadata" -}}
name: {{ (index . 0).Release.Name }}-{{ index . 1 }}
namespace: {{ (index . 0).Release.Namespace }}
labels: {{- include "devstack.labels" . | nindent 2 }}
{{- end }}

{{- define "devstack.secret" -}}
{{ .Values.minio.existingSecret | default (printf "%s-minio" .Release.Name) }}
{{- end }}

{{- /* A volume that is kept, or not; takes (list $ part). */}}
{{- define "devstack.volume" -}}
{{- if (index . 0).Values.persistence.enabled -}}
persistentVolumeClaim: {claimName: {{ (index . 0).Release.Name }}-{{ index . 1 }}}
{{- else -}}
emptyDir: {}
{{- end }}
{{- end }}

{{- define "devstack.restricted" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end }}

{{- define "devstack.podSecurity" -}}
{runAsNonRoot: true, runAsUser: 65534, runAsGroup: 65534, fsGroup: 65534, seccompProfile: {type: RuntimeDefault}}
{{- end }}
