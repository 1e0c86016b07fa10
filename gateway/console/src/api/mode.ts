// `/api/v1/mode`
import type { Mode, ModeSwitch } from '../domain/mode'
import { fetchJson, type List } from './http'

export function readMode(): Promise<Mode> {
  return fetchJson<Mode>('/mode')
}

export function listSwitches(): Promise<List<ModeSwitch>> {
  return fetchJson<List<ModeSwitch>>('/mode/switches')
}

export interface ClassKnown {
  code: string
  name: string
}

export async function classesKnown(): Promise<ClassKnown[]> {
  return (await fetchJson<{ classes: ClassKnown[] }>('/code-tables')).classes
}

export interface SwitchWanted {
  wartime: boolean
  drill: boolean
  platform?: string
  classes: string[]
  reason: string
  until: string
}

export function askSwitch(wanted: SwitchWanted): Promise<ModeSwitch> {
  return fetchJson<ModeSwitch>('/mode/switches', { method: 'POST', json: wanted })
}

export function decideSwitch(id: string, action: string, opinion: string): Promise<ModeSwitch> {
  return fetchJson<ModeSwitch>(`/mode/switches/${id}/${action}`, { method: 'POST', json: { opinion } })
}
