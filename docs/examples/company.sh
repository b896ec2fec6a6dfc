#!/bin/sh
# A company system with curl: hands in a project and its surplus, reads both receipts, then its match.
#
#     ./company.sh acme.json https://registry.example https://matcher.example
#
# acme.json: what `massakoppi org add acme … --save` wrote. Needs curl and jq.
set -eu
key=$(jq -r .https_key "$1")
registry=$2
matcher=$3

# A key opens nothing by itself: it gives a token that every service reads for five minutes.
token=$(jq -n --arg key "$key" '{$key}' |
  curl -sS --fail-with-body --json @- "$registry/tokens" | jq -r .token)

# PUT says how a thing is now. The same key and the same words again change nothing, so retry freely.
put() {
  curl -sS --fail-with-body --retry 5 --retry-all-errors --max-time 30 \
    -X PUT "$registry$1" -H "Authorization: Bearer $token" -H "Idempotency-Key: $2" \
    -H "Content-Type: application/json" -H "Accept-Language: fi" -d "$3"
  echo
}

put /projects/P-1 "p-1-as-of-2026-11-24" '{"title": "Ring road ditch", "municipality": "049",
  "available_from": "2027-03-01", "available_to": "2027-09-30"}'
put /forecasts/P-1%2Ftill "p-1-till-as-of-2026-11-24" '{"project": "P-1", "direction": "surplus",
  "material": "till", "quality": "S3", "contamination": "P0", "contamination_basis": "site_survey",
  "acid_sulphate": "none", "invasive_status": "none_observed", "waste_status": "not_waste",
  "quantity": 2400, "unit": "t", "available_from": "2027-03-01", "available_to": "2027-09-30"}'

# What was missed can be asked for. A webhook tells it without asking.
for _ in $(seq 60); do
  match=$(curl -sS --fail-with-body -H "Authorization: Bearer $token" "$matcher/matches?limit=1" |
    jq -c '.items[0] // empty')
  [ -n "$match" ] && break
  sleep 1
done
[ -n "$match" ] || { echo "no match within a minute" >&2; exit 1; }
printf '%s\n' "$match"
