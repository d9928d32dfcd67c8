package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	sampleapi "example.org/sampleapi"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// problem is the document of a request that fails.
func problem(err error) sampleapi.Problem {
	var failure *sampleapi.GenericOpenAPIError
	if !errors.As(err, &failure) {
		panic("it did not fail")
	}
	return failure.Model().(sampleapi.Problem)
}

func main() {
	configuration := sampleapi.NewConfiguration()
	configuration.Servers = sampleapi.ServerConfigurations{{URL: os.Args[1]}}
	api := sampleapi.NewAPIClient(configuration).HousingAPI
	ctx := context.Background()

	library := *sampleapi.NewHousingInput("735", "Broughton Street", "Victoria", "v8w3h2", "COP")
	house, created, err := api.CreateHousing(ctx).HousingInput(library).IdempotencyKey("go").Execute()
	must(house, err)
	var others [2]*sampleapi.Housing
	for i := range others {
		others[i], _, err = api.CreateHousing(ctx).HousingInput(library).Execute()
		must(others[i], err)
	}

	var pages []int
	for list := api.ListHousing(ctx).City("victoria").Limit(2); ; {
		page, _, err := list.Execute()
		must(page, err)
		pages = append(pages, len(page.Items))
		next := page.Next.Get()
		if next == nil {
			break
		}
		list = api.ListHousing(ctx).Cursor(*next).Limit(2)
	}

	etag := created.Header.Get("ETag")
	patch := sampleapi.NewHousingPatch()
	patch.SetCity("Saanich")
	changed, answer, err := api.PatchHousing(ctx, house.Id).IfMatch(etag).HousingPatch(*patch).Execute()
	must(changed, err)
	_, _, err = api.PatchHousing(ctx, house.Id).IfMatch(etag).HousingPatch(*patch).Execute()
	stale := problem(err)
	deleted := must(api.DeleteHousing(ctx, house.Id).IfMatch(answer.Header.Get("ETag")).Execute())
	_, _, err = api.GetHousing(ctx, house.Id).Execute()
	gone := problem(err)

	batch := sampleapi.NewBatch([]sampleapi.BatchOperation{
		sampleapi.BatchCreateAsBatchOperation(sampleapi.NewBatchCreate("create", library)),
		sampleapi.BatchUpdateAsBatchOperation(sampleapi.NewBatchUpdate("update", others[0].Id, others[0].Version, *patch)),
		sampleapi.BatchDeleteAsBatchOperation(sampleapi.NewBatchDelete("delete", others[1].Id, others[1].Version)),
	})
	done, _, err := api.BatchHousing(ctx).Batch(*batch).Execute()
	must(done, err)
	var ops []string
	for _, result := range done.Results {
		ops = append(ops, result.Op)
	}

	exported, _, err := api.ExportHousing(ctx).Execute()
	file := must(exported, err)
	defer os.Remove(file.Name())
	var rows []sampleapi.ImportRow
	for lines := json.NewDecoder(file); lines.More(); {
		var row sampleapi.ImportRow
		must(row, lines.Decode(&row))
		rows = append(rows, row)
	}
	rows[0].SetCity("Sooke")
	planned, _, err := api.ImportHousing(ctx).ImportRow(rows).DryRun("true").Execute()
	must(planned, err)
	imported, _, err := api.ApplyImport(ctx, planned.GetImportId()).Execute()
	must(imported, err)

	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"pages":           pages,
		"version":         changed.Version,
		"refused":         stale.Code,
		"current_version": stale.GetCurrentVersion(),
		"deleted":         deleted.StatusCode,
		"gone":            gone.Code,
		"batch":           ops,
		"exported":        len(rows),
		"imported":        []int32{imported.Created, imported.Updated, imported.Unchanged},
	})
}
