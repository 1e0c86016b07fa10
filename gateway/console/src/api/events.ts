// `/api/v1/events` and the addresses of evidence.
import type { GridEvent, StepMore } from '../domain/event'
import { API, fetchJson, query, type List } from './http'

export function listEvents(asked: { open?: boolean; limit?: number }): Promise<List<GridEvent>> {
  return fetchJson<List<GridEvent>>(`/events${query(asked)}`)
}

export function getEvent(no: string): Promise<GridEvent> {
  return fetchJson<GridEvent>(`/events/${encodeURIComponent(no)}`)
}

export function act(event: GridEvent, action: string, opinion: string, more: StepMore = {}): Promise<GridEvent> {
  const json = { opinion, revision: event.revision, ...more }
  return fetchJson<GridEvent>(`/events/${encodeURIComponent(event.no)}/actions/${action}`, { method: 'POST', json })
}

/** `report_id` is a UUID of the sender's: sent again, it is the same event. */
export interface Reported {
  report_id: string
  class_code: string | null
  description: string
  source: string
  address: string
  lng?: number
  lat?: number
  urgent: boolean
}

export function reportEvent(json: Reported): Promise<GridEvent> {
  return fetchJson<GridEvent>('/events', { method: 'POST', json })
}

/** A photograph, by default taken after the handling, which a feedback needs; answers the event that holds it. */
export function addPhoto(event: GridEvent, photo: Blob, kind: 'before_photo' | 'after_photo' = 'after_photo'): Promise<GridEvent> {
  const ask = { method: 'POST', body: photo, contentType: photo.type, limitMs: 60_000 } as const
  return fetchJson<GridEvent>(`/events/${encodeURIComponent(event.no)}/photos${query({ kind })}`, ask)
}

export interface Platform {
  code: string
  name: string
  kind: string
}

/** The hub and its sub-platforms, to one of which an event is dispatched. */
export function listPlatforms(): Promise<List<Platform>> {
  return fetchJson<List<Platform>>('/platforms')
}

export function similarTo(event: GridEvent): Promise<List<GridEvent>> {
  return fetchJson<List<GridEvent>>(`/events/${encodeURIComponent(event.no)}/similar`)
}

/** For `<img>` and `<video>`: the session's cookie and the grant's id, which is no secret, open it. */
export function evidenceUrl(id: string, grant: string): string {
  return `${API}/evidence/${id}${query({ grant })}`
}

/** A room in which the event is consulted on. */
/** The rooms that are open on an event. */
export async function roomsOn(no: string): Promise<{ id: string; number: string | null }[]> {
  return (await fetchJson<{ items: { id: string; number: string | null }[] }>(`/rooms${query({ state: 'open', event_no: no })}`)).items
}

export function openRoomOn(event: GridEvent, title: string): Promise<{ id: string }> {
  return fetchJson<{ id: string }>('/rooms', { method: 'POST', json: { title: title.slice(0, 100), event_no: event.no } })
}
