// The HTML pages of the authorization server. Every inserted value goes through `html`, which escapes it.
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

class Markup {
  constructor(text) {
    this.text = text;
  }
}

// A tagged template: values are escaped unless this function made them.
function html(strings, ...values) {
  const escape = (value) => {
    if (value instanceof Markup) return value.text;
    return String(value ?? '').replace(/[&<>"']/g, (character) => ESCAPES[character]);
  };
  return new Markup(String.raw({ raw: strings }, ...values.map(escape)));
}

function page(title, body, { script } = {}) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/style.css">
${script ? html`<script src="${script}" defer></script>` : ''}
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.text;
}

// `username` is the value of the field, `error` a sentence for the user.
export function loginPage({ clientName, username, error, cancelUrl }) {
  return page('Sign in', html`<p>to continue to ${clientName}</p>
${error ? html`<p role="alert" id="login-error">${error}</p>` : ''}
<form method="post">
<label for="username">Username</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false"
 maxlength="128" required${username ? '' : html` autofocus`}${error ? html` aria-describedby="login-error"` : ''}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required${
  username ? html` autofocus` : ''}${error ? html` aria-describedby="login-error"` : ''}>
<button type="submit">Sign in</button>
</form>
<p><a href="${cancelUrl}">Cancel</a></p>`);
}

// `form` is oidc-provider's form (id op.logoutForm), with its values. With `confirmed`, a script submits it.
export function logoutPage({ form, confirmed }) {
  const fields = new Markup(form);
  if (confirmed) {
    return page('Signing out', html`${fields}
<noscript><p>JavaScript is off in this browser. Press the button to continue.</p></noscript>
<button type="submit" form="op.logoutForm" name="logout" value="yes" id="confirm-logout">Continue</button>`, {
      script: '/assets/confirm-logout.js',
    });
  }
  return page('Sign out?', html`<p>An application asks to sign you out.</p>
${fields}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button type="submit" form="op.logoutForm" class="secondary">Stay signed in</button>`);
}

export function signedOutPage({ applicationUrl }) {
  return page('Signed out', html`<p>You are signed out.</p>
<p><a href="${applicationUrl}">Back to the application</a></p>`);
}

export function errorPage({ error, description, applicationUrl }) {
  return page('The request failed', html`<p role="alert">${description || 'The request could not be completed.'}</p>
<p><small>${error}</small></p>
<p><a href="${applicationUrl}">Back to the application</a></p>`);
}
