// Receivers of events: webhooks and MQTT brokers, their deliveries, mappings and the way back.
import { fetchJson, query, send, type List } from './http'

export interface MqttOptions {
  topic: string
  status_topic: string
  mode: 'structured' | 'binary'
  username: string
  authority: string
  pin: string
}

export interface Receiver {
  id: string
  kind: 'webhook' | 'mqtt'
  name: string
  address: string
  types: string[]
  mqtt: MqttOptions | null
  has_password: boolean
  inbound: Record<string, unknown> | null
  mapping_version: number | null
  enabled: boolean
  configured: boolean
  platform: string
  last_success_at: string | null
  last_error: string | null
  last_error_at: string | null
  pending: number
  dead: number
  revision: number
}

export interface ReceiverAsked {
  kind?: 'webhook' | 'mqtt'
  name?: string
  address?: string
  types?: string[]
  platform?: string
  enabled?: boolean
  mqtt?: MqttOptions
  password?: string
  revision?: number
}

export type DeliveryState = 'pending' | 'delivered' | 'dead'

export interface Delivery {
  id: string
  message_id: string
  type: string
  subject: string
  state: DeliveryState
  attempts: number
  created_at: string
  next_at: string
  last_error: string | null
  delivered_at: string | null
}

export interface MappingVersion {
  version: number
  in_force: boolean
  made_by: string
  made_at: string
  mapping: unknown
}

export interface MappingList extends List<MappingVersion> {
  revision: number
}

export interface Preview {
  media_type: string
  body: string
  event: unknown
}

export interface InboundOpened {
  address: string
  secret: string | null
  revision: number
}

export interface Platform {
  code: string
  name: string
}

const of = (id: string): string => `/receivers/${encodeURIComponent(id)}`

export const listReceivers = (): Promise<List<Receiver>> => fetchJson('/receivers')
export const listPlatforms = async (): Promise<Platform[]> => (await fetchJson<List<Platform>>('/platforms')).items
export const addReceiver = (asked: ReceiverAsked): Promise<Receiver & { secret: string | null }> =>
  fetchJson('/receivers', { method: 'POST', json: asked })
export const changeReceiver = (id: string, asked: ReceiverAsked): Promise<Receiver> =>
  fetchJson(of(id), { method: 'PATCH', json: asked })
export const removeReceiver = (id: string): Promise<unknown> => send(of(id), { method: 'DELETE' })
export const testReceiver = (id: string): Promise<{ delivery_id: string }> =>
  fetchJson(`${of(id)}/test`, { method: 'POST' })
export const listDeliveries = (id: string, state: DeliveryState | null, limit = 50): Promise<List<Delivery>> =>
  fetchJson(`${of(id)}/deliveries${query({ state, limit })}`)
export const replayDead = (id: string): Promise<{ replayed: number }> =>
  fetchJson(`${of(id)}/replay`, { method: 'POST' })
export const replayDelivery = (id: string, delivery: string): Promise<{ replayed: number }> =>
  fetchJson(`${of(id)}/deliveries/${encodeURIComponent(delivery)}/replay`, { method: 'POST' })
export const listMappings = (id: string): Promise<MappingList> => fetchJson(`${of(id)}/mappings`)
export const previewMapping = (mapping: unknown): Promise<Preview> =>
  fetchJson('/receivers/preview-mapping', { method: 'POST', json: { mapping } })
export const setMapping = (id: string, mapping: unknown, revision: number): Promise<MappingList> =>
  fetchJson(`${of(id)}/mappings`, { method: 'PUT', json: { mapping, revision } })
export const openInbound = (
  id: string,
  rules: unknown,
  newSecret: boolean,
  revision: number,
): Promise<InboundOpened> =>
  fetchJson(`${of(id)}/inbound`, { method: 'PUT', json: { rules, new_secret: newSecret, revision } })
