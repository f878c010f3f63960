{{/* The name of the chart in labels. */}}
{{- define "bff.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the resources. It leaves room for suffixes such as `-admin`. */}}
{{- define "bff.fullname" -}}
{{- $name := include "bff.name" . -}}
{{- $full := .Values.fullnameOverride -}}
{{- if not $full -}}
{{- $full = .Release.Name -}}
{{- if not (contains $name $full) -}}{{- $full = printf "%s-%s" $full $name -}}{{- end -}}
{{- end -}}
{{- $full | trunc 56 | trimSuffix "-" -}}
{{- end -}}

{{- define "bff.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "bff.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "bff.selector" -}}
app.kubernetes.io/name: {{ include "bff.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The name of the test in the label app.kubernetes.io/name, which no Service selects. */}}
{{- define "bff.testName" -}}
{{- include "bff.name" . | trunc 58 | trimSuffix "-" -}}-test
{{- end -}}

{{/* All labels of a resource: the chart's, then those in `own`, then the common ones. If several have one name, the first
counts. `name`, if it is given, is the value of app.kubernetes.io/name. */}}
{{- define "bff.labels" -}}
{{- $selector := include "bff.selector" .root | fromYaml -}}
{{- with .name -}}{{- $_ := set $selector "app.kubernetes.io/name" . -}}{{- end -}}
{{- $chart := dict
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $selector $chart (.own | default dict) (.root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{/* All annotations: those in `own`, then the common ones. Empty if there are none. */}}
{{- define "bff.annotations" -}}
{{- with merge dict (.own | default dict) (.root.Values.commonAnnotations | default dict) -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{/* The metadata of a resource: `root`, and optionally `name`, `labels`, `annotations`. */}}
{{- define "bff.metadata" -}}
name: {{ .name | default (include "bff.fullname" .root) }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "bff.labels" (dict "root" .root "own" .labels) | nindent 2 }}
{{- with include "bff.annotations" (dict "root" .root "own" .annotations) }}
annotations: {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "bff.image" -}}
{{- $registry := (.Values.global).imageRegistry | default .Values.image.registry -}}
{{- with .Values.image -}}
{{- if $registry -}}{{- $registry | trimSuffix "/" -}}/{{- end -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Both lists of pull secrets, as YAML; empty if there are none. */}}
{{- define "bff.imagePullSecrets" -}}
{{- with concat ((.Values.global).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) | uniq -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* The name of the ConfigMap with bff.toml. */}}
{{- define "bff.configMapName" -}}
{{- .Values.existingConfigMap.name | default (include "bff.fullname" .) -}}
{{- end -}}

{{/* The sources of the volume with secrets, as YAML; empty if there are none. */}}
{{- define "bff.secretSources" -}}
{{- $sources := list -}}
{{- range $value, $file := dict "cookieKeys" "cookie-keys" "clientSecret" "client-secret" "redisUrl" "redis-url" "adminToken" "admin-token" -}}
{{- with index $.Values.secrets $value -}}
{{- if .name -}}
{{- $sources = append $sources (dict "secret" (dict "name" .name "items" (list (dict "key" .key "path" $file)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.secrets.files -}}
{{- $kind := ternary "configMap" "secret" (not (empty .configMap)) -}}
{{- $source := dict "name" (.configMap | default .name) "items" (list (dict "key" .key "path" .path)) -}}
{{- $sources = append $sources (dict $kind $source) -}}
{{- end -}}
{{- with $sources -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{/* The time until Kubernetes kills a pod that it stops, in seconds. */}}
{{- define "bff.terminationGracePeriodSeconds" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- add .Values.preStopSleepSeconds 70 -}}
{{- else -}}
{{- int64 .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/* The optional fields of a monitor's endpoint. */}}
{{- define "bff.scrape" -}}
{{- $fields := dict -}}
{{- range $name := list "interval" "scrapeTimeout" "relabelings" "metricRelabelings" -}}
{{- with index $ $name -}}{{- $_ := set $fields $name . -}}{{- end -}}
{{- end -}}
{{- with $fields -}}{{- toYaml . -}}{{- end -}}
{{- end -}}
