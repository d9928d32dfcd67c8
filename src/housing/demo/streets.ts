import { low, pick, pickPopular, type Random, weighted } from './random.ts'

const list = (text: string): string[] => text.trim().split(/\s*[,\n]\s*/)

/** What English streets are called, the most common names first. */
const englishNames = list(`
  Maple, Park, Victoria, Church, Elm, Cedar, Main, Pine, King, Queen, Oak, Birch, Wellington, John, Mill, Albert, Lake,
  River, Spruce, George, William, Centre, Hill, James, Water, Willow, Station, Elgin, College, Ash, Princess, Poplar,
  Charles, Mary, Alexander, Prince, Edward, Bay, Lakeview, Highland, Sunset, Riverside, Cherry, Duke, Regent, York,
  Simcoe, Chestnut, Walnut, Hazel, Alder, Juniper, Aspen, Hemlock, Tamarack, Dogwood, Fraser, Mackenzie, Thompson,
  Campbell, Stewart, Cameron, Douglas, Grant, Murray, Ross, Robertson, Hamilton, Dalhousie, Dufferin, Lansdowne, Minto,
  Grey, Stanley, Connaught, Aberdeen, Balmoral, Windsor, Cambridge, Oxford, Clarence, Russell, Nelson, Cartwright,
  Garden, Orchard, Meadow, Valley, Forest, Heather, Rosewood, Glenwood, Brookside, Fairview, Hillcrest, Parkview,
  Ridgeway, Westmount, Kingsway, Pioneer, Heritage, Harvest, Falcon, Heron, Beaver, Fox, Otter, Raven, Trillium`)

const englishKinds = weighted({
  Street: 24,
  Avenue: 16,
  Road: 11,
  Drive: 11,
  Crescent: 8,
  Lane: 4,
  Court: 4,
  Place: 4,
  Boulevard: 3,
  Way: 2,
  Terrace: 1,
})

/** Streets so long that they have halves, such as King Street West. */
const englishAxes = list(`
  King Street, Queen Street, Main Street, Lakeshore Road, Wellington Street, River Road, Victoria Avenue, Front Street,
  Railway Avenue, College Street, Broadway Avenue, Dominion Road`)

/** What French streets are called, the most common names first. */
const frenchNames = list(`
  Notre-Dame, Saint-Joseph, de l'Église, Saint-Jean, Sainte-Anne, Cartier, Laurier, Champlain, Saint-Denis, du Parc,
  Saint-Louis, des Érables, Saint-Laurent, des Pins, Sainte-Marie, Saint-Antoine, Frontenac, Lafontaine, Saint-Paul,
  des Peupliers, Saint-Pierre, Saint-Charles, Papineau, Sainte-Catherine, des Ormes, Saint-François, du Moulin,
  Saint-Hubert, Saint-Jacques, de la Montagne, du Collège, des Bouleaux, Sainte-Thérèse, du Lac, de la Rivière,
  Saint-Michel, Saint-André, Sainte-Hélène, Saint-Georges, des Laurentides, du Couvent, des Lilas, Montcalm, Lévis,
  Maisonneuve, Marquette, Jolliet, Mercier, Bourassa, Garneau, Crémazie, Nelligan, Fréchette, Chapleau, Dollard,
  Radisson, Iberville, La Vérendrye, Talon, Bégin, Taschereau, Saint-Germain, Saint-Dominique, Saint-Édouard,
  Sainte-Marguerite, Sainte-Geneviève, Sainte-Ursule, Saint-Vallier, Saint-Alexandre, des Cèdres, des Chênes,
  des Merisiers, des Sapins, des Mésanges, des Hirondelles, des Pionniers, des Patriotes, des Seigneurs,
  de la Fabrique, de la Gare, du Pont, du Ruisseau, du Quai, du Manoir, du Domaine, de la Colline, de la Falaise,
  de la Grève, de la Seigneurie, des Prairies, des Jardins, des Vignes, des Sources, du Vieux-Moulin, du Boisé,
  de l'Anse, de l'École, de la Côte-Sainte-Anne`)

const frenchKinds = weighted({
  rue: 28,
  avenue: 10,
  boulevard: 5,
  chemin: 5,
  place: 2,
  croissant: 2,
  montée: 1,
  allée: 1,
})

const frenchAxes = list(`
  rue Notre-Dame, rue Principale, boulevard Saint-Joseph, rue Saint-Jean, boulevard René-Lévesque, rue Sherbrooke,
  boulevard des Laurentides, rue Ontario, chemin du Roy, boulevard Sainte-Anne`)

const english = (random: Random): string =>
  random() < 0.12
    ? `${pick(englishAxes, random)} ${pick(['West', 'East', 'North', 'South'], random)}`
    : `${pickPopular(englishNames, random)} ${pick(englishKinds, random)}`

const french = (random: Random): string =>
  random() < 0.12
    ? `${pick(frenchAxes, random)} ${pick(['Est', 'Ouest', 'Nord', 'Sud'], random)}`
    : `${pick(frenchKinds, random)} ${pickPopular(frenchNames, random)}`

const gridKinds = ['Street', 'Avenue']

/** Half of the streets have numbers, half have names. */
const grid =
  (numbered: (random: Random) => string) =>
  (random: Random): string =>
    random() < 0.5 ? numbered(random) : english(random)

const quadrants = grid((random) => {
  const quadrant = pick(['NW', 'NW', 'SW', 'SE', 'NE'], random)
  return `${1 + low(180, random)} ${pick(gridKinds, random)} ${quadrant}`
})

const numbers = grid((random) => `${30 + low(150, random)} ${pick(gridKinds, random)}`)

const ordinals = grid((random) => {
  const [kind, ...halves] = pick([['Street', 'East', 'West'] as const, ['Avenue', 'North', 'South'] as const], random)
  return `${ordinal(1 + low(50, random))} ${kind} ${pick(halves, random)}`
})

const eastWest = grid((random) => `${pick(['East', 'West'], random)} ${ordinal(1 + low(70, random))} Avenue`)

function ordinal(number: number): string {
  const teen = number > 10 && number < 20
  return `${number}${(!teen && ['th', 'st', 'nd', 'rd'][number % 10]) || 'th'}`
}

/** How the streets of a city are named, such as Maple Street, rue Saint-Denis or 104 Street NW. */
const styles = { english, french, quadrants, numbers, ordinals, eastWest }
export type StreetStyle = keyof typeof styles

/** An invented street. Popular names come back, as in life. */
export const streetIn = (style: StreetStyle, random: Random): string => styles[style](random)
