from oriel_extension import log, program


@program
def summarise(value: dict) -> dict:
    fields = sorted(value)
    log.info("summarised", count=len(fields))
    return {"count": len(fields), "fields": fields}
