{{- define "kvcache.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* The name of the release's objects: once "kvcache" where the release is called so too. */}}
{{- define "kvcache.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "kvcache.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "kvcache.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "kvcache.operatorName" -}}
{{- printf "%s-operator" (include "kvcache.fullname" .) }}
{{- end }}

{{- define "kvcache.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "kvcache.operatorName" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "kvcache.chartLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: kvcache
{{- end }}

{{/* Not `app.kubernetes.io/name: kvcache`, which the pods of caches have: selectors must tell them apart. */}}
{{- define "kvcache.operatorSelector" -}}
app.kubernetes.io/name: kvcache-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "kvcache.operatorLabels" -}}
{{ include "kvcache.operatorSelector" . }}
{{ include "kvcache.chartLabels" . }}
{{- end }}

{{/* An image of `image`-like values, with the root context for the version. */}}
{{- define "kvcache.image" -}}
{{- $image := index . 0 }}{{- $root := index . 1 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* What the restricted pod security level asks of a pod, and of a container. */}}
{{- define "kvcache.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "kvcache.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "kvcache.azuriteSelector" -}}
app.kubernetes.io/name: azurite
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Of everything that applies the KVCache of the release: made after install and upgrade, and removed again. */}}
{{- define "kvcache.applyMetadata" -}}
namespace: {{ .Release.Namespace }}
labels:
  app.kubernetes.io/name: kvcache-apply
  app.kubernetes.io/instance: {{ .Release.Name }}
  {{- include "kvcache.chartLabels" . | nindent 2 }}
annotations:
  helm.sh/hook: post-install,post-upgrade
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
