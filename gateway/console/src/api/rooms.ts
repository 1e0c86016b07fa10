// `/api/v1/rooms`: rooms, their members, and the doors for media of each.
import type { Member, Room, RoomEntry } from '../domain/room'
import type { PtzAsked, PtzState } from './cameras'
import { fetchJson, query, send, type List } from './http'

/** One that hangs in a dead connection keeps the next one from finding the network back. */
const HEARTBEAT_LIMIT_MS = 1_000

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

export interface ControlAsked {
  member?: string
  members?: string[]
  layout?: string
  mode?: 'both' | 'speak_only' | 'listen_only'
  minutes?: number
  kind?: 'composed' | 'sources'
  present?: boolean
}

/** A control of the consultation; the gateway decides whether the role allows it. */
export function control(room: string, name: string, asked: ControlAsked = {}): Promise<Room> {
  return fetchJson<Room>(`${of(room)}/controls/${name}`, { method: 'POST', json: asked })
}

export function listEntries(room: string): Promise<RoomEntry[]> {
  return fetchJson<RoomEntry[]>(`${of(room)}/entries${query({ limit: 1000 })}`)
}

export async function say(room: string, text: string): Promise<void> {
  await send(`${of(room)}/words`, { method: 'POST', json: { text } })
}

export async function issueOrder(room: string, text: string, addressees: string[]): Promise<void> {
  await send(`${of(room)}/orders`, { method: 'POST', json: { text, addressees } })
}

/** Shown once: the address that opens this room once, for whoever has no account. */
export async function issueLink(room: string, name: string, minutes: number): Promise<string> {
  const link = await fetchJson<{ token: string }>(`${of(room)}/links`, { method: 'POST', json: { name, minutes } })
  return `${location.origin}/join#${link.token}`
}

/** Opens a link; answers the room it is for. The session's cookie is set. */
export async function openLink(token: string): Promise<string> {
  const guest = await fetchJson<{ room_id: string }>('/session/guest', { method: 'POST', json: { token } })
  return guest.room_id
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

/** Where a camera of the room looks; refused to whom the chair has not let steer. */
export function headInRoom(room: string, member: string): Promise<PtzState> {
  return fetchJson<PtzState>(`${of(room)}/members/${member}/ptz`)
}

export async function steerInRoom(room: string, member: string, asked: PtzAsked): Promise<void> {
  await send(`${of(room)}/members/${member}/ptz`, { method: 'POST', json: asked })
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
