{{- define "eventlog.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "eventlog.selector" . }}
{{- end }}

{{- define "eventlog.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The release's own name for what workflows/ calls eventlog, eventlog-clean, …; takes (list $ name). */}}
{{- define "eventlog.named" -}}
{{- regexReplaceAll "^eventlog" (index . 1) (index . 0).Release.Name -}}
{{- end }}

{{- /* Takes (list $ name), name one of ingest, clean, feature. */}}
{{- define "eventlog.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- $name := index . 1 -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}eventlog-{{ $name }}
{{- with get $image.digests $name }}@{{ . }}{{ else }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* Settings, and credentials where there are any; takes (list $ stage). */}}
{{- define "eventlog.envFrom" -}}
{{- $root := index . 0 -}}
- configMapRef: {name: {{ $root.Release.Name }}}
{{- with (get $root.Values.stages (index . 1)).credentialsSecret | default $root.Values.credentialsSecret }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end }}

{{- /* Cores, such as 0.5 or 500m, in thousandths. */}}
{{- define "eventlog.millicores" -}}
{{- $cores := toString . -}}
{{- ternary (trimSuffix "m" $cores) (mulf 1000 (trimSuffix "m" $cores | float64) | toString) (hasSuffix "m" $cores) -}}
{{- end }}

{{- define "eventlog.restricted" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end }}

{{- /* A text whose links to runbooks lead to where you keep docs/; takes (list $ text). */}}
{{- define "eventlog.runbooks" -}}
{{- $base := (index . 0).Values.alerts.runbooks -}}
{{- ternary (replace "docs/operations.md#" (printf "%s#" $base) (index . 1)) (index . 1) (ne $base "") -}}
{{- end }}
