// What a camera's own device is asked: its picture settings, its clock, the events it reports.
import { fetchJson } from './http'

const of = (code: string): string => `/cameras/${encodeURIComponent(code)}`

export interface Level {
  value: number | null
  least: number
  most: number
}

export interface Mode {
  value: string
  offered: string[]
}

/** Only what the device offers, in its own units. */
export interface ImagingState {
  levels: Record<string, Level>
  modes: Record<string, Mode>
}

/** Levels by name as numbers, modes by name as words. */
export type ImagingAsked = Record<string, number | string>

export function getImaging(code: string): Promise<ImagingState> {
  return fetchJson<ImagingState>(`${of(code)}/imaging`)
}

export function changeImaging(code: string, asked: ImagingAsked): Promise<ImagingState> {
  return fetchJson<ImagingState>(`${of(code)}/imaging`, { method: 'PATCH', json: asked })
}

/** `offset`: its clock less the gateway's, seconds. `mode` empty: not told. */
export interface DeviceClock {
  offset: number | null
  device_time: string | null
  mode: 'manual' | 'ntp' | ''
  zone: string
  daylight_saving: boolean | null
}

export function getDeviceClock(code: string): Promise<DeviceClock> {
  return fetchJson<DeviceClock>(`${of(code)}/clock`)
}

export function setDeviceClock(code: string): Promise<{ before: number | null; after: number | null }> {
  return fetchJson(`${of(code)}/clock`, { method: 'POST', json: { allow: true } })
}

export interface DeviceEvent {
  kind: 'motion' | 'tamper' | 'digital_input'
  topic: string
  state: boolean | null
  source: string
  initial: boolean
  at: string
  device_at: string | null
}

/** `detail`: why the camera is not heard. Newest last. */
export interface DeviceEvents {
  subscribed: boolean
  detail: string | null
  detail_en: string | null
  items: DeviceEvent[]
}

export function getDeviceEvents(code: string): Promise<DeviceEvents> {
  return fetchJson<DeviceEvents>(`${of(code)}/device-events`)
}
