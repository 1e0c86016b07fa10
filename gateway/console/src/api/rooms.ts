// `/api/v1/rooms`: rooms, their members, and the doors for media of each.
import type { Member, Room } from '../domain/room'
import { fetchJson, query, send, type List } from './http'

const HEARTBEAT_LIMIT_MS = 2_000

const of = (room: string): string => `/rooms/${encodeURIComponent(room)}`

export function listRooms(): Promise<List<Room>> {
  return fetchJson<List<Room>>('/rooms')
}

export function getRoom(room: string): Promise<Room> {
  return fetchJson<Room>(of(room))
}

export function createRoom(title: string): Promise<Room> {
  return fetchJson<Room>('/rooms', { method: 'POST', json: { title } })
}

export function endRoom(room: string): Promise<Room> {
  return fetchJson<Room>(`${of(room)}/controls/end`, { method: 'POST' })
}

/** Each browser that joins is a member of its own. */
export function joinRoom(room: string): Promise<Member> {
  return fetchJson<Member>(`${of(room)}/members`, { method: 'POST', json: { kind: 'person' } })
}

export function addCamera(room: string, code: string, grant: string): Promise<Member> {
  return fetchJson<Member>(`${of(room)}/members`, { method: 'POST', json: { kind: 'camera', camera_code: code, grant } })
}

/** `parting`: the page is going away and does not wait for the answer. */
export async function removeMember(room: string, member: string, parting = false): Promise<void> {
  await send(`${of(room)}/members/${member}`, { method: 'DELETE', keepalive: parting })
}

export async function heartbeat(room: string, member: string): Promise<void> {
  const signal = AbortSignal.timeout(HEARTBEAT_LIMIT_MS)
  await send(`${of(room)}/members/${member}/heartbeat`, { method: 'POST', signal })
}

export function whipPath(room: string, member: string): string {
  return `/whip${of(room)}${query({ member })}`
}

export function whepPath(room: string, member: string, viewer: string): string {
  return `/whep${of(room)}/${member}${query({ viewer })}`
}

export interface NamedCamera {
  code: string
  name: string
  address: string | null
  health: { state: string }
}

/** The cameras in use to choose from; `text` is looked for in name, code and address. */
export function namedCameras(text: string, signal: AbortSignal): Promise<List<NamedCamera>> {
  const asked = { text: text === '' ? null : text, status: 'in_use', limit: 50 }
  return fetchJson<List<NamedCamera>>(`/cameras${query(asked)}`, { signal })
}
