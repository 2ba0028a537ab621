{{/* Every name, label and reference of the chart is made here and nowhere else. */}}

{{/* One cluster per namespace, so the objects carry one name that everybody can know beforehand. */}}
{{- define "openbdc.name" -}}
openbdc
{{- end }}

{{/* Cluster-wide objects need the namespace in their name: each namespace may have a release. */}}
{{- define "openbdc.clusterWideName" -}}
{{ include "openbdc.name" . }}-{{ .Release.Namespace }}
{{- end }}

{{- define "openbdc.clusterName" -}}
{{- $name := .Values.clusterName | default .Release.Namespace -}}
{{- if not (regexMatch "^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$" $name) -}}
{{- fail (printf "clusterName: the namespace %q can't name the cluster (lower-case letters, digits and '-', a letter first, at most 20); give another name: --set clusterName=NAME" $name) -}}
{{- end -}}
{{ $name }}
{{- end }}

{{- define "openbdc.selectorLabels" -}}
app.kubernetes.io/name: openbdc
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The controller is Helm's object: openbdc.dev/cluster, by which the controller finds its own, is not on it. */}}
{{- define "openbdc.labels" -}}
{{ include "openbdc.selectorLabels" . }}
app.kubernetes.io/component: control
app.kubernetes.io/part-of: {{ include "openbdc.clusterName" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "openbdc.image" -}}
{{- with .Values.image -}}
{{- $repository := printf "%s/%s" .registry .repository -}}
{{- if .digest -}}
{{ $repository }}@{{ .digest }}
{{- else -}}
{{ $repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "openbdc.port" -}}
30080
{{- end }}

{{- define "openbdc.healthPort" -}}
30081
{{- end }}
