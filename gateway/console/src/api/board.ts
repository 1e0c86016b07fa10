// `/api/v1/rooms/{id}/pictures`: frozen pictures and what is drawn on them.
import type { FrozenPicture, Stroke } from '../domain/board'
import { API, fetchJson, query } from './http'

const of = (room: string): string => `/rooms/${encodeURIComponent(room)}/pictures`

export function listPictures(room: string): Promise<FrozenPicture[]> {
  return fetchJson<FrozenPicture[]>(of(room))
}

/** Shares a picture (JPEG) for all to draw on. */
export function freeze(room: string, jpeg: Blob, member: string): Promise<FrozenPicture> {
  const ask = { method: 'POST', body: jpeg, contentType: 'image/jpeg' } as const
  return fetchJson<FrozenPicture>(of(room) + query({ member }), ask)
}

export function draw(room: string, picture: string, strokes: Stroke[]): Promise<FrozenPicture> {
  return fetchJson<FrozenPicture>(`${of(room)}/${picture}/strokes`, { method: 'POST', json: { strokes } })
}

/** For `<img>`. */
export function pictureUrl(room: string, picture: string): string {
  return `${API}${of(room)}/${picture}.jpg`
}
