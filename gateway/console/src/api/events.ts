// `/api/v1/events` and the addresses of evidence.
import type { GridEvent } from '../domain/event'
import { API, fetchJson, query, type List } from './http'

export function listEvents(asked: { open?: boolean; limit?: number }): Promise<List<GridEvent>> {
  return fetchJson<List<GridEvent>>(`/events${query(asked)}`)
}

export function getEvent(no: string): Promise<GridEvent> {
  return fetchJson<GridEvent>(`/events/${encodeURIComponent(no)}`)
}

export function act(event: GridEvent, action: string, opinion: string): Promise<GridEvent> {
  const json = { opinion, revision: event.revision }
  return fetchJson<GridEvent>(`/events/${encodeURIComponent(event.no)}/actions/${action}`, { method: 'POST', json })
}

/** For `<img>` and `<video>`: the session's cookie and the grant's id, which is no secret, open it. */
export function evidenceUrl(id: string, grant: string): string {
  return `${API}/evidence/${id}${query({ grant })}`
}

/** A room in which the event is consulted on. */
export function openRoomOn(event: GridEvent, title: string): Promise<{ id: string }> {
  return fetchJson<{ id: string }>('/rooms', { method: 'POST', json: { title: title.slice(0, 100), event_no: event.no } })
}
