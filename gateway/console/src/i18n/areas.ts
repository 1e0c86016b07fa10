// Each area of the console brings its own words: a module with `zhCN` and `en`, the latter typed by the former.
import * as cameraDevice from './camera_device'
import * as cameraRegistry from './camera_registry'
import * as cameras from './cameras'
import * as detection from './detection'
import * as duty from './duty'
import { en as baseEn } from './en'
import * as receivers from './receivers'
import * as models from './models'
import * as grid from './grid'
import * as recordings from './recordings'
import * as rooms from './rooms'
import * as rules from './rules'
import * as shift from './shift'
import * as why from './why'
import { zhCN as baseZhCN } from './zh-CN'

// One line for each: areas are added side by side.
export const zhCN = {
  ...baseZhCN,
  ...duty.zhCN,
  ...cameras.zhCN,
  ...cameraRegistry.zhCN,
  ...cameraDevice.zhCN,
  ...detection.zhCN,
  ...receivers.zhCN,
  ...models.zhCN,
  ...grid.zhCN,
  ...recordings.zhCN,
  ...rooms.zhCN,
  ...rules.zhCN,
  ...shift.zhCN,
  ...why.zhCN,
}
export const en: typeof zhCN = {
  ...baseEn,
  ...duty.en,
  ...cameras.en,
  ...cameraRegistry.en,
  ...cameraDevice.en,
  ...detection.en,
  ...receivers.en,
  ...models.en,
  ...grid.en,
  ...recordings.en,
  ...rooms.en,
  ...rules.en,
  ...shift.en,
  ...why.en,
}
