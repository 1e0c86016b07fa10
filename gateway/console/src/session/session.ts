// Who is signed in on this page, and what their roles open. The server decides; this only hides what it would refuse.
import { computed, readonly, ref } from 'vue'
import { setCsrfToken, whenSessionEnds } from '../api/http'
import { currentSession, signIn as ask, signOut as end, type Session } from '../api/session'
import { Problem } from '../api/problem'

const session = ref<Session | null>(null)
const ended = ref(false)

export const currentUser = computed(() => session.value?.user ?? null)
export const sessionExpiresAt = computed(() => session.value?.expires_at ?? null)
/** The session was lost, not given up: the sign-in page says so. */
export const sessionEnded = readonly(ended)

const endings = new Set<() => void>()

/** Called whenever nobody is signed in any more. */
export function onSignedOut(callback: () => void): void {
  endings.add(callback)
}

function opened(found: Session): void {
  setCsrfToken(found.csrf_token)
  session.value = found
  ended.value = false
}

function closed(): void {
  setCsrfToken('')
  session.value = null
  for (const callback of endings) callback()
}

whenSessionEnds(() => {
  if (session.value === null) return
  ended.value = true
  closed()
})

/** The sign-out that is on its way: its answer takes away the cookie, whoever's it is by then. */
let leaving: Promise<unknown> = Promise.resolve()

export async function signIn(username: string, password: string): Promise<void> {
  await leaving
  opened(await ask(username, password))
}

/** After a reload: the cookie may still hold a session. False where it does not. */
export async function restoreSession(): Promise<boolean> {
  if (session.value !== null) return true
  try {
    opened(await currentSession())
    return true
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return false
    throw error
  }
}

export async function signOut(): Promise<void> {
  const given = session.value
  const told = end()
  leaving = told.catch(() => undefined)
  try {
    await told
  } finally {
    // What was asked for meanwhile was refused, which has ended the session already.
    if (session.value === given) {
      ended.value = false
      closed()
    }
  }
}

const WATCH = ['duty_officer', 'duty_leader', 'dispatcher', 'commander', 'checker', 'machine']
const DUTY = ['duty_officer', 'duty_leader', 'machine']
const ROOMS = ['duty_officer', 'duty_leader', 'dispatcher', 'commander', 'machine']
const SET_UP = ['system_admin', 'duty_leader', 'machine']
const BUSINESS = [...WATCH, 'department', 'grid_member']
const OPENS = {
  'alerts.read': WATCH,
  'alerts.assess': DUTY,
  'events.read': BUSINESS,
  'cameras.read': [...BUSINESS, 'system_admin'],
  'cameras.write': SET_UP,
  'cameras.discover': SET_UP,
  'cameras.steer': [...DUTY, 'commander'],
  'cameras.talk': [...DUTY, 'commander'],
  'credentials.read': SET_UP,
  'credentials.write': ['system_admin', 'machine'],
  'rules.read': [...WATCH, 'system_admin'],
  'rules.write': SET_UP,
  'statistics.read': [...WATCH, 'department', 'system_admin'],
  'models.read': [...WATCH, 'system_admin'],
  'models.promote': ['system_admin', 'duty_leader'],
  'video.view': WATCH,
  'recordings.read': WATCH,
  'recordings.start': [...DUTY, 'commander'],
  'recordings.plan': SET_UP,
  'recordings.hold': ['duty_leader', 'commander', 'machine'],
  'evidence.view': BUSINESS,
  'stream.read': [...BUSINESS, 'system_admin', 'room_guest'],
  'rooms.read': [...ROOMS, 'department', 'grid_member', 'room_guest'],
  'duty.read': WATCH,
  'duty.write': ['duty_officer', 'duty_leader', 'dispatcher', 'commander'],
  'duty.roster': ['duty_leader'],
  'reports.read': [...WATCH, 'system_admin'],
  'reports.ask': ['duty_officer', 'duty_leader', 'commander', 'checker'],
  'reports.plan': ['duty_leader', 'commander'],
  'staff.read': [...WATCH, 'department', 'system_admin'],
  'staff.write': SET_UP,
  'staff.phone': [...DUTY, 'dispatcher', 'commander'],
  'dispatch.read': [...WATCH, 'department', 'system_admin'],
  'dispatch.write': SET_UP,
  'grids.write': ['system_admin', 'machine'],
  'tables.write': ['system_admin'],
  'events.report': [...DUTY, 'grid_member'],
  'events.photo': [...DUTY, 'department', 'grid_member', 'checker'],
  'mode.read': [...BUSINESS, 'system_admin'],
  'mode.ask': ['duty_officer', 'duty_leader', 'commander'],
  'rooms.open': ROOMS,
  'rooms.invite': ROOMS,
  'rooms.plan': [...SET_UP, 'commander'],
  'rooms.approve': ['duty_leader', 'commander'],
  'terminals.read': [...ROOMS, ...SET_UP],
  'terminals.write': SET_UP,
  'receivers.read': ['system_admin'],
  'receivers.write': ['system_admin'],
  'rooms.control': ['duty_leader', 'duty_officer', 'commander', 'machine'],
} as const satisfies Record<string, readonly string[]>

export type Permission = keyof typeof OPENS

export function may(permission: Permission): boolean {
  const wanted: readonly string[] = OPENS[permission]
  return currentUser.value?.roles.some((role) => wanted.includes(role)) ?? false
}
