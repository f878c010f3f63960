{{/* Refuses combinations of values that the schema cannot refuse with a clear message. */}}
{{- define "bff.validate" -}}
{{- $faults := list -}}
{{- if hasKey .Values "env" -}}
{{- $faults = append $faults "env: unknown value: rename it to extraEnv" -}}
{{- end -}}
{{- if and .Values.config .Values.existingConfigMap.name -}}
{{- $faults = append $faults "config: existingConfigMap.name is set as well: remove one of them" -}}
{{- end -}}
{{- range $name, $secret := omit .Values.secrets "files" -}}
{{- if and $secret.name $secret.path -}}
{{- $faults = append $faults (printf "secrets.%s: name and path are both set: remove one of them" $name) -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range include "bff.env" (dict "root" . "adminAddress" "") | fromYamlArray -}}
{{- if has .name $names -}}
{{- $faults = append $faults (printf "extraEnv: %s is set twice: remove one of the two entries, or use the chart's own value instead" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $least := add .Values.preStopSleepSeconds 55 | int64 -}}
{{- $grace := include "bff.terminationGracePeriodSeconds" . | int64 -}}
{{- if lt $grace $least -}}
{{- $faults = append $faults (printf "terminationGracePeriodSeconds: %d s is too short: write %d or more, which is preStopSleepSeconds, 15 s for requests in progress and 40 s for exchanges with the token endpoint, or remove the value" $grace $least) -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- $faults = append $faults "metrics.serviceMonitor.enabled: metrics.podMonitor.enabled is set as well, and Prometheus would scrape each pod twice: disable one of them" -}}
{{- end -}}
{{- with $faults -}}{{- fail (printf "invalid values:\n%s" (join "\n" .)) -}}{{- end -}}
{{- end -}}
