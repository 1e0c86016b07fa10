// The registered reason for viewing: asked for once a shift, then cited by each view.
import { readonly, ref } from 'vue'
import { fetchJson, type Problem } from '../api/http'
import { serverNow } from '../live/server_clock'
import { currentUser, onSignedOut, sessionExpiresAt } from '../session/session'

interface Grant {
  id: string
  purpose: string
  scope: string
  until: string
}

/** The gateway takes twelve hours at most; a minute less, since the clocks differ. */
const LONGEST_MS = 12 * 3600_000 - 60_000
const SPARE_MS = 30_000

const asked = ref(false)
/** While true, the dialog asks. */
export const grantAsked = readonly(asked)
/** Kept for this browser tab, so that a reload within the shift does not ask again. */
const KEPT = 'gateway.grant'
let running: Grant | null = null
const waiting: { resolve: (id: string) => void; reject: (why: Error) => void }[] = []

function kept(): Grant | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null') as (Grant & { username: string }) | null
    return found !== null && found.username === currentUser.value?.username ? found : null
  } catch {
    return null
  }
}

/** The id of a grant that runs; asks for the purpose where there is none. Rejects where none is given. */
export function ensureGrant(): Promise<string> {
  running ??= kept()
  if (running !== null && Date.parse(running.until) - SPARE_MS > serverNow()) return Promise.resolve(running.id)
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject })
    asked.value = true
  })
}

/** A new grant would be taken; one that does not reach a place (`grant_elsewhere`) would be refused again. */
const ASKED_ANEW = ['grant_ended', 'grant_unknown', 'grant_missing']

/** The gateway takes the grant that was cited no longer: the next `ensureGrant` asks. False where the refusal is about something else. */
export function grantRefused(problem: Problem, cited: string): boolean {
  if (!ASKED_ANEW.includes(problem.reason)) return false
  // The refusal of an earlier one may come late: that which was given since stands.
  if (running !== null && running.id !== cited) return true
  running = null
  sessionStorage.removeItem(KEPT)
  return true
}

/** Until the session ends, which is a shift. */
export function grantEnds(): number {
  const longest = serverNow() + LONGEST_MS
  const session = Date.parse(sessionExpiresAt.value ?? '')
  return Number.isNaN(session) ? longest : Math.min(session, longest)
}

export async function registerPurpose(purpose: string): Promise<void> {
  const until = new Date(grantEnds()).toISOString()
  const scope = `platform:${currentUser.value?.platform ?? ''}`
  const grant = await fetchJson<Grant>('/access/grants', { method: 'POST', json: { purpose, scope, until } })
  running = grant
  sessionStorage.setItem(KEPT, JSON.stringify({ ...grant, username: currentUser.value?.username }))
  asked.value = false
  for (const one of waiting.splice(0)) one.resolve(grant.id)
}

export function dismissGrant(): void {
  asked.value = false
  for (const one of waiting.splice(0)) one.reject(new Error('no purpose was given'))
}

onSignedOut(() => {
  running = null
  sessionStorage.removeItem(KEPT)
  dismissGrant()
})
