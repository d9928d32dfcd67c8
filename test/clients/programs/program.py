import json
import sys

from openapi_client import (
    ApiClient,
    ApiException,
    Batch,
    BatchCreate,
    BatchDelete,
    BatchOperation,
    BatchUpdate,
    Configuration,
    HousingApi,
    HousingInput,
    HousingPatch,
    ImportRow,
)

api = HousingApi(ApiClient(Configuration(host=sys.argv[1])))


def failure(request):
    """The problem document of a request that fails."""
    try:
        request()
    except ApiException as error:
        return error.data
    raise AssertionError("it did not fail")


library = HousingInput(
    address="735", street="Broughton Street", city="Victoria", postal_code="v8w3h2", housing_type="COP"
)
created = api.create_housing_with_http_info(library, idempotency_key="python")
house, etag = created.data, created.headers["etag"]
other, another = api.create_housing(library), api.create_housing(library)

page = api.list_housing(city="victoria", limit=2)
pages = [len(page.items)]
while page.next is not None:
    page = api.list_housing(cursor=page.next, limit=2)
    pages.append(len(page.items))

patched = api.patch_housing_with_http_info(house.id, etag, HousingPatch(city="Saanich"))
stale = failure(lambda: api.patch_housing(house.id, etag, HousingPatch(city="Sooke")))
deleted = api.delete_housing_with_http_info(house.id, patched.headers["etag"])
gone = failure(lambda: api.get_housing(house.id))
done = api.batch_housing(
    Batch(
        operations=[
            BatchOperation(BatchCreate(op="create", house=library)),
            BatchOperation(
                BatchUpdate(op="update", id=other.id, version=other.version, house=HousingPatch(city="Oak Bay"))
            ),
            BatchOperation(BatchDelete(op="delete", id=another.id, version=another.version)),
        ]
    )
)

rows = [ImportRow.from_json(line) for line in api.export_housing().decode().splitlines()]
rows[0].city = "Sooke"
planned = api.import_housing(rows, dry_run="true")
imported = api.apply_import(planned.import_id)

print(
    json.dumps(
        {
            "pages": pages,
            "version": patched.data.version,
            "refused": stale.code,
            "current_version": stale.current_version,
            "deleted": deleted.status_code,
            "gone": gone.code,
            "batch": [result.op for result in done.results],
            "exported": len(rows),
            "imported": [imported.created, imported.updated, imported.unchanged],
        }
    )
)
