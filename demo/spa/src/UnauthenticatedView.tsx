export function UnauthenticatedView({ onSignIn }: { onSignIn: () => void }) {
  return (
    <section>
      <h2>Welcome</h2>
      <p>Sign in to see your data. You return to this page afterwards.</p>
      <button id="startAuthentication" type="button" onClick={onSignIn}>
        Sign in
      </button>
    </section>
  );
}
