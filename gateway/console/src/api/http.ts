// Every request of the console: the session's cookie, the CSRF token on writes, a time limit, problems as `Problem`.
import { asProblem, Problem, problemOf, tooSlow, unreachable } from './problem'
import { noteServerDate } from '../live/server_clock'

export const API = '/api/v1'
const TIMEOUT_MS = 20_000

let csrfToken = ''
let onSessionEnded: () => void = () => undefined

export function setCsrfToken(token: string): void {
  csrfToken = token
}

/** Told of each 401, so that the console can ask to sign in again. */
export function whenSessionEnds(callback: () => void): void {
  onSessionEnded = callback
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is, with `contentType`. */
  body?: string | Blob
  contentType?: string
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Lets the request outlive the page. */
  keepalive?: boolean
  /** For what takes the gateway long, such as asking a camera. */
  limitMs?: number
}

/** The answer if it is a success; throws `Problem` otherwise. `path` stands under /api/v1, or is a whole Location. */
export async function send(path: string, ask: Ask = {}): Promise<Response> {
  const method = ask.method ?? 'GET'
  const headers: Record<string, string> = { Accept: 'application/json', ...ask.headers }
  if (ask.json !== undefined) headers['Content-Type'] = 'application/json'
  else if (ask.contentType !== undefined) headers['Content-Type'] = ask.contentType
  if (method !== 'GET' && csrfToken !== '') headers['X-CSRF-Token'] = csrfToken
  const asker = csrfToken
  const limit = AbortSignal.timeout(ask.limitMs ?? TIMEOUT_MS)
  let answer: Response
  try {
    answer = await fetch(path.startsWith(`${API}/`) ? path : API + path, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: ask.signal ? AbortSignal.any([ask.signal, limit]) : limit,
      ...(ask.json !== undefined ? { body: JSON.stringify(ask.json) } : {}),
      ...(ask.body !== undefined ? { body: ask.body } : {}),
      ...(ask.keepalive ? { keepalive: true } : {}),
    })
  } catch (error) {
    if (ask.signal?.aborted) throw error
    throw limit.aborted ? tooSlow() : unreachable()
  }
  noteServerDate(answer.headers.get('date'))
  if (answer.ok) return answer
  const problem = problemOf(answer.status, await answer.json().catch(() => null))
  // The refusal of an earlier session may come late: it does not end the one that stands now.
  if (answer.status === 401 && asker === csrfToken) onSessionEnded()
  throw problem
}

/** The JSON of a successful answer. */
export async function fetchJson<T>(path: string, ask: Ask = {}): Promise<T> {
  const answer = await send(path, ask)
  try {
    return (await answer.json()) as T
  } catch {
    throw new Problem(answer.status, 'answer_unreadable', '网关的应答无法识别。', 'The gateway’s answer cannot be read.')
  }
}

export { asProblem, Problem }

/** `?a=1&b=2`, repeated keys for lists, nothing for null and undefined. */
export function query(values: Record<string, string | number | boolean | readonly string[] | null | undefined>): string {
  const found = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue
    if (Array.isArray(value)) for (const one of value) found.append(key, String(one))
    else found.append(key, String(value))
  }
  const joined = found.toString()
  return joined === '' ? '' : `?${joined}`
}

export interface List<T> {
  items: T[]
  total: number
}
