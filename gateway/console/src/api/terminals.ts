// `/api/v1/terminals`: known conference terminals, and ringing them into a room.
import type { Room } from '../domain/room'
import { fetchJson, send } from './http'

export interface Terminal {
  id: string
  username: string
  name: string
  /** Where it is rung while it has not registered; may be empty. */
  address: string
  registered: boolean
  registered_at: string | null
}

export function listTerminals(): Promise<Terminal[]> {
  return fetchJson<Terminal[]>('/terminals')
}

export async function addTerminal(asked: {
  username: string
  name: string
  password: string
  address: string
}): Promise<void> {
  await send('/terminals', { method: 'POST', json: asked })
}

export async function removeTerminal(id: string): Promise<void> {
  await send(`/terminals/${id}`, { method: 'DELETE' })
}

const of = (room: string): string => `/rooms/${encodeURIComponent(room)}/rings`

/** Rings a known terminal by its id, or an address; how it goes, the room says. */
export function ring(room: string, asked: { terminal?: string; address?: string; name?: string }): Promise<Room> {
  return fetchJson<Room>(of(room), { method: 'POST', json: asked })
}

export function stopRinging(room: string, ring: string): Promise<Room> {
  return fetchJson<Room>(`${of(room)}/${ring}`, { method: 'DELETE' })
}
