// `/api/v1/session`: who is signed in. The cookie is out of any script's sight; only the CSRF token is known here.
import { fetchJson, send } from './http'

export interface SessionUser {
  username: string
  display_name: string
  roles: string[]
  platform: string
}

export interface Session {
  csrf_token: string
  expires_at: string
  user: SessionUser
}

export function signIn(username: string, password: string): Promise<Session> {
  return fetchJson<Session>('/session', { method: 'POST', json: { username, password, kind: 'cookie' } })
}

export function currentSession(signal?: AbortSignal): Promise<Session> {
  return fetchJson<Session>('/session', signal === undefined ? {} : { signal })
}

export async function signOut(): Promise<void> {
  await send('/session', { method: 'DELETE' })
}
