import { type Static, Type } from 'typebox'
import { ref } from '../contract/contract.ts'
import { mayCreate } from '../contract/json-schema.ts'
import { Next } from '../contract/paging.ts'
import { Text } from '../contract/text.ts'

const codePattern = '^[A-Z]{3}$'

/** A kind of home. */
export const HousingType = Type.Object({ code: Type.String(), description: Type.String() }, { $id: 'HousingType' })
export type HousingType = Static<typeof HousingType>

/** Shaped like a page, though it has all types: as many as there are codes, at most. */
export const HousingTypeList = Type.Object(
  { items: Type.Array(ref(HousingType), { maxItems: 26 ** 3 }), next: Next },
  { $id: 'HousingTypeList', description: 'All housing types: there is only one page, so `next` is always null.' },
)

/** A housing type as a client sends it. */
export const HousingTypeInput = Type.Object(
  {
    description: Text('The name of the type', 'Town House'),
    code: Type.Optional(
      Type.String({
        pattern: codePattern,
        description: 'The code in the path. May be omitted.',
        examples: ['TNH'],
      }),
    ),
  },
  { $id: 'HousingTypeInput', additionalProperties: false, examples: [{ description: 'Town House' }] },
)

const codeLike = (example: string) => ({
  code: Type.String({ pattern: codePattern, description: 'The code: three capital letters.', examples: [example] }),
})
export const HousingTypeCode = Type.Object(codeLike('SFD'))
/** The examples of the writes fit together: one adds the type that the other deletes. */
export const NewHousingTypeCode = Type.Object(codeLike('TNH'), mayCreate)
export const DeletedHousingTypeCode = Type.Object(codeLike('TNH'))
