//! The filter's work for a cached session, in Lua: Origin and Sec-Fetch-Site, the CSRF value for unsafe methods,
//! cookies found and removed, the session looked up, its expiry. The sessions are part of the script, since Lua has no AEAD
//! here: cookies are not decrypted.

use bff_core::cookie::purpose::Purpose;
use std::fmt::Write as _;

use crate::credentials::{CSRF, Deployment, ORIGIN, Session};

/// A script that contains these sessions.
pub(crate) fn script(deployment: &Deployment, sessions: &[Session], jwt: &str) -> String {
    let mut text = String::from("local sessions = {\n");
    for session in sessions {
        let _ = writeln!(
            text,
            "  [\"{}\"] = {{ csrf_cookie = \"{}\", csrf = \"{CSRF}\", expires = 4000000000, header = \"Bearer {jwt}\" }},",
            session.access_token, session.csrf
        );
    }
    let names = &deployment.names;
    let _ = write!(
        text,
        r#"}}
local origin_trusted = "{ORIGIN}"
local access_token_name, csrf_name = "{access_token}", "{csrf}"
local ours = {{ ["{access_token}"] = true, ["{csrf}"] = true, ["{login}"] = true, ["{refresh_token}"] = true,
  ["{id_token}"] = true }}
local safe = {{ GET = true, HEAD = true, OPTIONS = true }}

local function refuse(handle)
  handle:respond({{ [":status"] = "401", ["content-type"] = "application/json" }}, '{{"code":"unauthorized"}}')
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local origin = headers:get("origin")
  if origin ~= nil and origin ~= origin_trusted then return refuse(handle) end
  if headers:get("sec-fetch-site") == "cross-site" then return refuse(handle) end
  local is_safe = safe[headers:get(":method")]
  if origin == nil and (not is_safe or headers:get("upgrade") ~= nil) then return refuse(handle) end
  local found, rest = {{}}, {{}}
  for piece in string.gmatch(headers:get("cookie") or "", "[^;]+") do
    local name, value = string.match(piece, "^%s*([^=]-)%s*=%s*(.-)%s*$")
    if name ~= nil and ours[name] then
      if found[name] ~= nil then return refuse(handle) end
      found[name] = value
    else
      rest[#rest + 1] = piece
    end
  end
  local session = sessions[found[access_token_name] or ""]
  if session == nil or session.expires <= os.time() then return refuse(handle) end
  if not is_safe and (found[csrf_name] ~= session.csrf_cookie or headers:get("x-example-csrf") ~= session.csrf) then
    return refuse(handle)
  end
  if #rest == 0 then headers:remove("cookie") else headers:replace("cookie", table.concat(rest, ";")) end
  headers:remove("x-example-csrf")
  headers:replace("authorization", session.header)
end
"#,
        access_token = names.of(Purpose::AccessToken),
        csrf = names.of(Purpose::Csrf),
        login = names.of(Purpose::Login),
        refresh_token = names.of(Purpose::RefreshToken),
        id_token = names.of(Purpose::IdToken),
    );
    text
}
