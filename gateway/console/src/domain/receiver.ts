// How a receiver fares, and what its errors mean. Pure.
import type { MqttOptions, Receiver } from '../api/receivers'

export const TYPES = ['gateway.event.opened', 'gateway.event.changed', 'gateway.warning'] as const

export type Health = 'off' | 'failing' | 'dead' | 'well' | 'new'

/** A receiver that fails says so before anything else; dead letters wait for a person even when all is well again. */
export function healthOf(receiver: Receiver): Health {
  if (!receiver.enabled) return 'off'
  if (receiver.last_error !== null) return 'failing'
  if (receiver.dead > 0) return 'dead'
  return receiver.last_success_at === null ? 'new' : 'well'
}

/** An error in parts: the code that words exist for, and what it is about. */
export function errorParts(error: string): { code: string; about: string } {
  const mapping = /^mapping (\S+): (\w+) ?(.*)$/.exec(error)
  if (mapping) return { code: 'mapping', about: `${mapping[1]} (${mapping[2]}${mapping[3] ? ` ${mapping[3]}` : ''})` }
  const status = /^status_(\d+)$/.exec(error)
  if (status) return { code: 'status', about: status[1] ?? '' }
  const refused = /^mqtt_refused: (.*)$/.exec(error)
  if (refused) return { code: 'mqtt_refused', about: refused[1] ?? '' }
  return { code: error, about: '' }
}

export const newMqtt = (): MqttOptions => ({
  topic: 'gateway/{platform}/{kind}/{no}',
  status_topic: 'gateway/{platform}/status',
  mode: 'structured',
  username: '',
  authority: '',
  pin: '',
})

/** JSON that a person typed; the error's place is left to the parser's own words. */
export function parsed(text: string): { value: unknown } | { error: string } {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

export const FIRST_MAPPING = {
  content_type: 'json',
  fields: [
    { to: 'caseInfo.outerNo', from: 'data.no' },
    { to: 'caseInfo.source', value: '视频巡查' },
    { to: 'caseInfo.type', from: 'data.class_code', table: { '04-06': '0406' }, otherwise: '9999' },
    { to: 'caseInfo.reportTime', from: 'data.reported_at', time: 'yyyy-MM-dd HH:mm:ss' },
    { to: 'caseInfo.lng', coordinate: 'lng', system: 'gcj02' },
    { to: 'caseInfo.lat', coordinate: 'lat', system: 'gcj02' },
    { to: 'caseInfo.address', from: 'data.address', required: false },
    { to: 'files[0].url', evidence: 'snapshot', required: false },
  ],
}

export const FIRST_INBOUND = {
  event_no: 'caseInfo.outerNo',
  code: 'caseInfo.status',
  opinion: 'caseInfo.remark',
  revision: 'caseInfo.version',
  photo: 'caseInfo.picture',
  actions: { '10': 'sign', '20': 'handle', '30': 'feedback', '90': 'return' },
  roles: ['department'],
}
