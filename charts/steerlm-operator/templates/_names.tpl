{{- define "steerlm.labels" -}}
app.kubernetes.io/name: steerlm-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "steerlm.stagePods" -}}
{{- $image := .Values.stages.image | default (printf "steerlm-jobs:%s" .Chart.AppVersion) -}}
{{- merge (dict "image" $image "operatorNamespace" .Release.Namespace) .Values.stages | toJson -}}
{{- end }}
