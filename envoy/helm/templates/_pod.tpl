{{/* Parts that the Deployment and the test have in common. */}}

{{/* The container's environment variables. Arguments: `root` (the chart's context) and `adminAddress`. */}}
{{- define "bff.env" -}}
- {name: BFF_LOG_FORMAT, value: {{ .root.Values.logFormat }}}
- {name: BFF_SERVER__ADDRESS, value: {{ .root.Values.server.address | quote }}}
- {name: BFF_SERVER__PORT, value: {{ .root.Values.server.port | quote }}}
- {name: BFF_SERVER__ADMIN_ADDRESS, value: {{ .adminAddress | quote }}}
- {name: BFF_SERVER__ADMIN_PORT, value: {{ .root.Values.server.adminPort | quote }}}
{{- with .root.Values.server.workers }}
- {name: BFF_SERVER__WORKERS, value: {{ . | quote }}}
{{- end }}
{{- with .root.Values.secrets.cookieKeys }}
- {name: BFF_COOKIE_KEYS_FILE, value: {{ .path | default "/etc/bff/secrets/cookie-keys" | quote }}}
{{- end }}
{{- with .root.Values.secrets.clientSecret }}
{{- if or .name .path }}
- {name: BFF_CLIENT_SECRET_FILE, value: {{ .path | default "/etc/bff/secrets/client-secret" | quote }}}
{{- end }}
{{- end }}
{{- with .root.Values.secrets.redisUrl }}
{{- if or .name .path }}
- {name: BFF_REDIS_URL_FILE, value: {{ .path | default "/etc/bff/secrets/redis-url" | quote }}}
{{- end }}
{{- end }}
{{- with .root.Values.secrets.adminToken }}
{{- if or .name .path }}
- {name: BFF_ADMIN_TOKEN_FILE, value: {{ .path | default "/etc/bff/secrets/admin-token" | quote }}}
{{- end }}
{{- end }}
{{- with .root.Values.extraEnv }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end -}}

{{- define "bff.volumeMounts" -}}
- {name: config, mountPath: /etc/bff/config, readOnly: true}
{{- if include "bff.secretSources" . }}
# The folder and not a subPath: a file of a subPath does not change with its Secret.
- {name: secrets, mountPath: /etc/bff/secrets, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end -}}

{{- define "bff.volumes" -}}
- name: config
  configMap:
    name: {{ include "bff.configMapName" . }}
    {{- if .Values.existingConfigMap.name }}
    items: [{key: {{ .Values.existingConfigMap.key }}, path: bff.toml}]
    {{- end }}
{{- with include "bff.secretSources" . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{- . | nindent 6 }}
{{- end }}
{{- with .Values.extraVolumes }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end -}}
