const COOKIES = [
  ['__Host-Http-example-at', '/', 'the access token, opaque', 'the filter opens it and forwards a JWT'],
  ['__Host-Http-example-csrf', '/', 'the CSRF value', 'an unsafe request must repeat it in a header'],
  ['__Http-example-auth', '/bff', 'the refresh token', 'the service only'],
  ['__Http-example-id', '/bff', 'the ID token', 'the service only: /session, /claims, /userInfo, /refresh and /logout'],
  ['__Host-Http-example-login', '/', 'state, nonce and PKCE verifier', 'the service only, while a sign-in is pending'],
] as const;

/** The BFF's cookies, and what `document.cookie` shows of them: nothing. */
export function Cookies() {
  return (
    <section className="wide">
      <h2>Cookies</h2>
      <p>
        Each is encrypted (AES-256-GCM), <code>HttpOnly</code>, <code>Secure</code> and <code>SameSite=Strict</code>. Scripts cannot
        read them, whichever host they are for: <code>document.cookie</code> of this page is{' '}
        <code id="documentCookie">{JSON.stringify(document.cookie)}</code>.
      </p>
      <div className="table" role="region" aria-label="Cookies" tabIndex={0}>
        <table id="cookies">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Path</th>
              <th scope="col">Holds</th>
              <th scope="col">Used by</th>
            </tr>
          </thead>
          <tbody>
            {COOKIES.map(([name, path, holds, user]) => (
              <tr key={name}>
                <td>
                  <code>{name}</code>
                </td>
                <td>
                  <code>{path}</code>
                </td>
                <td>{holds}</td>
                <td>{user}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
