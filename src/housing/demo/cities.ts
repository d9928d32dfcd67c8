import type { StreetStyle } from './streets.ts'

export type Province = 'AB' | 'BC' | 'MB' | 'NB' | 'NL' | 'NS' | 'NT' | 'NU' | 'ON' | 'PE' | 'QC' | 'SK' | 'YT'

export type City = {
  name: string
  province: Province
  /** Thousands of people who live there and in those suburbs that are not in the table, roughly as in 2021. */
  people: number
  /** Some of its forward sortation areas: the first three characters of its postal codes. */
  areas: string[]
  streets: StreetStyle
}

type Row = [name: string, people: number, areas: string, streets?: StreetStyle]

const inProvince = (province: Province, usual: StreetStyle, rows: Row[]): City[] =>
  rows.map(([name, people, areas, streets = usual]) => ({ name, province, people, areas: areas.split(' '), streets }))

/** Real cities of every province and territory. */
export const cities: City[] = [
  ...inProvince('BC', 'english', [
    ['Vancouver', 1826, 'V5K V5L V5M V5N V5P V5R V5T V5V V5W V5X V5Z V6A V6B V6E V6G V6H V6J V6K V6P V6R', 'eastWest'],
    ['Surrey', 568, 'V3R V3S V3T V3V V3W V3X V4A V4N', 'numbers'],
    ['Victoria', 397, 'V8R V8S V8T V8V V8W V9A'],
    ['Burnaby', 249, 'V5A V5B V5C V5E V5G V5H V5J'],
    ['Kelowna', 222, 'V1P V1V V1W V1X V1Y'],
    ['Abbotsford', 196, 'V2S V2T V3G'],
    ['Nanaimo', 115, 'V9R V9S V9T V9V'],
    ['Kamloops', 114, 'V2B V2C V2E V2H'],
    ['Prince George', 90, 'V2K V2L V2M V2N'],
  ]),
  ...inProvince('AB', 'english', [
    ['Calgary', 1482, 'T2A T2B T2E T2G T2H T2J T2K T2L T2M T2N T2P T2R T2S T2V T2X T2Z T3A T3B T3C T3E', 'quadrants'],
    ['Edmonton', 1418, 'T5A T5B T5C T5E T5G T5H T5J T5K T5L T5M T5N T5P T5R T5T T6A T6C T6E T6H T6J T6K', 'quadrants'],
    ['Lethbridge', 124, 'T1H T1J T1K', 'ordinals'],
    ['Red Deer', 101, 'T4N T4P T4R', 'numbers'],
    ['Medicine Hat', 76, 'T1A T1B T1C', 'quadrants'],
    ['Grande Prairie', 64, 'T8V T8W T8X', 'numbers'],
  ]),
  ...inProvince('SK', 'ordinals', [
    ['Saskatoon', 317, 'S7H S7J S7K S7L S7M S7N S7V'],
    ['Regina', 249, 'S4N S4P S4R S4S S4T S4V S4X'],
    ['Prince Albert', 45, 'S6V S6X'],
  ]),
  ...inProvince('MB', 'english', [
    ['Winnipeg', 835, 'R2C R2G R2H R2J R2K R2L R2M R2N R2P R2V R2W R2X R3A R3B R3C R3E R3G R3J R3L R3M R3N R3T'],
    ['Brandon', 54, 'R7A R7B R7C', 'ordinals'],
  ]),
  ...inProvince('ON', 'english', [
    ['Toronto', 4166, 'M1E M1K M1P M2J M2N M3A M3H M4C M4E M4K M4L M4S M4Y M5A M5R M5V M6G M6H M6K M6P M8V M9A M9V'],
    ['Ottawa', 1135, 'K1C K1G K1H K1J K1K K1L K1N K1P K1R K1S K1T K1V K1Y K1Z K2A K2B K2C K2E K2G K2H'],
    ['Hamilton', 785, 'L8E L8H L8K L8L L8M L8N L8P L8R L8S L8T L8V L8W L9A L9B L9C'],
    ['Mississauga', 718, 'L4T L4X L4Y L4Z L5A L5B L5C L5E L5G L5H L5J L5K L5L L5M L5N L5R L5V L5W'],
    ['Brampton', 656, 'L6P L6R L6S L6T L6V L6W L6X L6Y L6Z L7A'],
    ['Kitchener', 575, 'N2A N2B N2C N2E N2G N2H N2M N2N N2P N2R'],
    ['London', 543, 'N5V N5W N5X N5Y N5Z N6A N6B N6C N6E N6G N6H N6J N6K'],
    ['St. Catharines', 433, 'L2M L2N L2P L2R L2S L2T L2W'],
    ['Windsor', 422, 'N8P N8R N8S N8T N8W N8X N8Y N9A N9B N9C N9E N9G'],
    ['Oshawa', 415, 'L1G L1H L1J L1K L1L'],
    ['Markham', 339, 'L3P L3R L3S L6B L6C L6E'],
    ['Vaughan', 323, 'L4H L4J L4K L4L L6A'],
    ['Barrie', 212, 'L4M L4N'],
    ['Kingston', 172, 'K7K K7L K7M K7P'],
    ['Sudbury', 170, 'P3A P3B P3C P3E P3G'],
    ['Guelph', 165, 'N1C N1E N1G N1H N1K N1L'],
    ['Peterborough', 128, 'K9H K9J K9K K9L'],
    ['Thunder Bay', 123, 'P7A P7B P7C P7E'],
    ['Sault Ste. Marie', 77, 'P6A P6B P6C'],
  ]),
  ...inProvince('QC', 'french', [
    ['Montréal', 3600, 'H1M H1N H1T H1V H1W H1X H1Y H2C H2G H2J H2L H2P H2R H2S H2T H2W H3K H3S H3W H4A H4C H4G H8N'],
    ['Québec', 689, 'G1C G1E G1G G1H G1J G1K G1L G1M G1N G1P G1R G1S G1T G1V G1W G1X G1Y G2A G2B G2C G2K'],
    ['Laval', 438, 'H7A H7C H7E H7G H7H H7K H7L H7M H7N H7P H7R H7S H7T H7V H7W H7X H7Y'],
    ['Gatineau', 353, 'J8P J8R J8T J8X J8Y J8Z J9A J9H'],
    ['Longueuil', 254, 'J4G J4H J4J J4K J4L J4M J4N'],
    ['Sherbrooke', 227, 'J1E J1G J1H J1J J1K J1L J1N'],
    ['Saguenay', 162, 'G7B G7G G7H G7J G7S G7X'],
    ['Trois-Rivières', 161, 'G8T G8V G8W G8Y G8Z G9A'],
    ['Lévis', 150, 'G6V G6W G6X G6Z G7A'],
    ['Drummondville', 102, 'J2A J2B J2C'],
    ['Rimouski', 54, 'G5L'],
    ['Rouyn-Noranda', 42, 'J9X J9Y'],
    ['Sept-Îles', 27, 'G4R G4S'],
  ]),
  ...inProvince('NB', 'english', [
    ['Moncton', 158, 'E1C E1E E1G'],
    ['Saint John', 130, 'E2H E2J E2K E2L E2M E2N'],
    ['Fredericton', 109, 'E3A E3B E3C'],
    ['Edmundston', 22, 'E3V', 'french'],
  ]),
  ...inProvince('NS', 'english', [
    ['Halifax', 466, 'B3H B3J B3K B3L B3M B3N B3P'],
    ['Sydney', 99, 'B1P B1S'],
    ['Truro', 46, 'B2N'],
  ]),
  ...inProvince('PE', 'english', [
    ['Charlottetown', 79, 'C1A C1C C1E'],
    ['Summerside', 18, 'C1N'],
  ]),
  ...inProvince('NL', 'english', [
    ["St. John's", 212, 'A1A A1B A1C A1E'],
    ['Corner Brook', 30, 'A2H'],
  ]),
  ...inProvince('YT', 'english', [['Whitehorse', 31, 'Y1A']]),
  ...inProvince('NT', 'english', [['Yellowknife', 20, 'X1A']]),
  ...inProvince('NU', 'english', [['Iqaluit', 7, 'X0A']]),
]
