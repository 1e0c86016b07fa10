// `/api/v1/cameras`: the records, what is found on the network, rules, and the latest picture.
import type { Camera } from '../domain/camera'
import type { Rule } from '../domain/rule'
import { fetchJson, query, send, type List } from './http'

/** A camera is asked itself before it is kept, which takes the gateway up to 27 seconds. */
const ASKED_LIMIT_MS = 35_000

const of = (code: string): string => `/cameras/${encodeURIComponent(code)}`

export function listCameras(text: string, limit: number, signal?: AbortSignal): Promise<List<Camera>> {
  const asked = query({ text: text === '' ? null : text, limit })
  return fetchJson<List<Camera>>(`/cameras${asked}`, signal ? { signal } : {})
}

export function getCamera(code: string): Promise<Camera> {
  return fetchJson<Camera>(of(code))
}

/** What is registered; what is left out of a change stays as it is. */
export interface CameraAsked {
  onvif_address?: string
  rtsp_url?: string
  username?: string
  password?: string
  name?: string
  lng?: number
  lat?: number
  address?: string
  note?: string
  status?: 'in_use' | 'stopped'
  endpoint_reference?: string
  revision?: number
}

export function registerCamera(asked: CameraAsked): Promise<Camera> {
  return fetchJson<Camera>('/cameras', { method: 'POST', json: asked, limitMs: ASKED_LIMIT_MS })
}

export function changeCamera(code: string, asked: CameraAsked): Promise<Camera> {
  return fetchJson<Camera>(of(code), { method: 'PATCH', json: asked, limitMs: ASKED_LIMIT_MS })
}

export async function removeCamera(code: string): Promise<void> {
  await send(of(code), { method: 'DELETE' })
}

export interface Device {
  address: string
  endpoint_reference: string
  name: string
  model: string
  scopes: string[]
  found_by: 'multicast' | 'directed'
  /** Of the camera as which the device is registered already. */
  code: string | null
}

/** Without targets the whole network is searched; with them these alone. */
export async function discoverCameras(targets: readonly string[]): Promise<Device[]> {
  const ask = { method: 'POST', json: { targets }, limitMs: ASKED_LIMIT_MS } as const
  return (await fetchJson<{ devices: Device[] }>('/cameras/discover', ask)).devices
}

export interface Rules {
  rules: Rule[]
  /** False: the camera was given none, and the installation's first values hold. */
  own: boolean
  revision: number
}

export function getRules(code: string): Promise<Rules> {
  return fetchJson<Rules>(`${of(code)}/rules`)
}

export interface Snapshot {
  jpeg: Blob
  takenAt: string | null
}

export async function fetchSnapshot(code: string, grant: string): Promise<Snapshot> {
  const answer = await send(`${of(code)}/snapshot.jpg${query({ grant })}`, { headers: { Accept: 'image/jpeg' } })
  return { jpeg: await answer.blob(), takenAt: answer.headers.get('x-taken-at') }
}
