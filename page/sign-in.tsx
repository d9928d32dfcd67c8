import { signedIn, signIn } from './api.ts'

/** Asks for an API key. It stays in this tab, at most until it is closed, and is sent in the header of each request only. */
export function SignIn({ problem }: { problem: string }) {
  return (
    <form
      class="welcome"
      aria-label="Sign in"
      onSubmit={(event) => {
        event.preventDefault()
        signIn(String(new FormData(event.currentTarget).get('key')).trim())
      }}
    >
      <h2>Sign in</h2>
      <p>
        This registry asks for an API key, which its operator makes with the command <code>keys create</code>.
      </p>
      {problem && signedIn() && <p role="alert">{problem}</p>}
      <label>
        API key
        <input name="key" type="password" autoComplete="off" required spellcheck={false} />
      </label>
      <button type="submit" class="primary">
        Sign in
      </button>
      <p class="hint">The key stays in this tab, and is gone when you close it.</p>
    </form>
  )
}
