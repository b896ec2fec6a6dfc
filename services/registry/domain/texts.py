"""What each refusal says, in Finnish, Swedish and English: the field, the value, the remedy."""

from typing import Any

from services.registry.domain.values import Reason, field_of
from shared.vocabulary.shown import in_words, quoted

LANGUAGES = ("en", "fi", "sv")

TEXTS: dict[str, tuple[str, str, str]] = {
    # the envelope
    "envelope_unreadable": (
        "This is no CloudEvent: {missing} missing. Send the attributes as ce- headers, or the"
        " whole as application/cloudevents+json.",
        "Tämä ei ole CloudEvent: puuttuu {missing}. Lähetä attribuutit ce-otsakkeina tai koko"
        " viesti muodossa application/cloudevents+json.",
        "Detta är ingen CloudEvent: {missing} saknas. Sänd egenskaperna som ce-rubriker eller allt"
        " som application/cloudevents+json.",
    ),
    "specversion_unknown": (
        "ce-specversion {value} is not known here. Send 1.0.",
        "ce-specversion {value} on tuntematon. Lähetä 1.0.",
        "ce-specversion {value} är okänd. Sänd 1.0.",
    ),
    "attribute_invalid": (
        "{field} {value} cannot be used. Use 1 to {most} printable characters.",
        "{field} {value} ei kelpaa. Käytä 1–{most} näkyvää merkkiä.",
        "{field} {value} duger inte. Använd 1–{most} synliga tecken.",
    ),
    "time_invalid": (
        "ce-time {value} is no time with a zone. Write it like 2027-01-31T12:00:00Z, or leave it"
        " out.",
        "ce-time {value} ei ole vyöhykkeellinen aika. Kirjoita 2027-01-31T12:00:00Z tai jätä pois.",
        "ce-time {value} är ingen tid med zon. Skriv 2027-01-31T12:00:00Z eller lämna bort den.",
    ),
    "type_differs": (
        "ce-type {value} does not belong on this subject. Send {wanted}.",
        "ce-type {value} ei kuulu tälle aiheelle. Lähetä {wanted}.",
        "ce-type {value} hör inte till detta ämne. Sänd {wanted}.",
    ),
    "event_unknown": (
        "The event {value} is not known here. {close}",
        "Tapahtuma {value} on tuntematon. {close}",
        "Händelsen {value} är okänd. {close}",
    ),
    "event_id_reused": (
        "The id {value} of this source was used for another event. Give each event an id of its"
        " own.",
        "Tämän lähteen tunniste {value} on jo käytetty toiselle tapahtumalle. Anna jokaiselle"
        " tapahtumalle oma tunniste.",
        "Källans id {value} har redan använts för en annan händelse. Ge varje händelse ett eget"
        " id.",
    ),
    # the body
    "body_too_large": (
        "The body has {value} bytes. Send at most {most}.",
        "Viestissä on {value} tavua. Lähetä enintään {most}.",
        "Meddelandet har {value} byte. Sänd högst {most}.",
    ),
    "body_not_utf8": (
        "The body is not UTF-8: {value}. Encode it as UTF-8.",
        "Viesti ei ole UTF-8-muotoa: {value}. Koodaa se UTF-8:ksi.",
        "Meddelandet är inte UTF-8: {value}. Koda det som UTF-8.",
    ),
    "body_not_json": (
        "The body is no JSON: {value}. Send one JSON object.",
        "Viesti ei ole JSONia: {value}. Lähetä yksi JSON-olio.",
        "Meddelandet är inte JSON: {value}. Sänd ett JSON-objekt.",
    ),
    "body_not_object": (
        "The body is {value}. Send one JSON object.",
        "Viesti on {value}. Lähetä yksi JSON-olio.",
        "Meddelandet är {value}. Sänd ett JSON-objekt.",
    ),
    "key_twice": (
        "{field} stands twice. Tell it once.",
        "{field} on kahdesti. Kerro se kerran.",
        "{field} står två gånger. Berätta det en gång.",
    ),
    "nesting_too_deep": (
        "The body is nested too deep. Tell it flat, as the schema shows.",
        "Viestin sisäkkäisyys on liian syvä. Kerro se litteänä kuten skeema näyttää.",
        "Meddelandet är för djupt nästlat. Berätta det platt, som schemat visar.",
    ),
    # a field
    "field_unknown": (
        "{field} is not a field of {event}. {close}",
        "{field} ei ole tapahtuman {event} kenttä. {close}",
        "{field} är inget fält i {event}. {close}",
    ),
    "field_missing": (
        "{field} is missing. Tell it: {wanted}.",
        "{field} puuttuu. Kerro se: {wanted}.",
        "{field} saknas. Berätta det: {wanted}.",
    ),
    "type_wrong": (
        "{field} is {value}. Send {wanted}.",
        "{field} on {value}. Lähetä {wanted}.",
        "{field} är {value}. Sänd {wanted}.",
    ),
    "text_empty": (
        "{field} is empty. Write it or leave it out.",
        "{field} on tyhjä. Kirjoita se tai jätä pois.",
        "{field} är tomt. Skriv det eller lämna bort det.",
    ),
    "text_too_long": (
        "{field} has {value} characters. Use at most {most}.",
        "{field} sisältää {value} merkkiä. Käytä enintään {most}.",
        "{field} har {value} tecken. Använd högst {most}.",
    ),
    "text_not_clean": (
        "{field} {value} holds characters that cannot be kept: control, direction or half"
        " characters. Remove them.",
        "{field} {value} sisältää merkkejä, joita ei voi säilyttää: ohjaus- tai suuntamerkkejä."
        " Poista ne.",
        "{field} {value} innehåller tecken som inte kan sparas: styr- eller riktningstecken. Ta"
        " bort dem.",
    ),
    "number_not_finite": (
        "{field} is {value}. Send a finite number.",
        "{field} on {value}. Lähetä äärellinen luku.",
        "{field} är {value}. Sänd ett ändligt tal.",
    ),
    "number_negative": (
        "{field} is {value}. Send 0 or more; a surplus and a need are told by direction, not by"
        " sign.",
        "{field} on {value}. Lähetä vähintään 0; ylijäämä ja tarve kerrotaan suunnalla, ei"
        " etumerkillä.",
        "{field} är {value}. Sänd minst 0; överskott och behov berättas med riktning, inte med"
        " tecken.",
    ),
    "number_not_positive": (
        "{field} is {value}. Send more than 0.",
        "{field} on {value}. Lähetä enemmän kuin 0.",
        "{field} är {value}. Sänd mer än 0.",
    ),
    "number_too_large": (
        "{field} is {value}. At most {most} is believed: check the unit.",
        "{field} on {value}. Enintään {most} hyväksytään: tarkista yksikkö.",
        "{field} är {value}. Högst {most} godtas: kontrollera enheten.",
    ),
    "number_too_small": (
        "{field} is {value}. At least {least} is believed: check the unit.",
        "{field} on {value}. Vähintään {least} hyväksytään: tarkista yksikkö.",
        "{field} är {value}. Minst {least} godtas: kontrollera enheten.",
    ),
    "code_unknown": (
        "{field} {value} is no code of {list}. {close}",
        "{field} {value} ei ole luettelon {list} koodi. {close}",
        "{field} {value} är ingen kod i {list}. {close}",
    ),
    "material_unknown": (
        "{field} {value} is not a material here. {close}",
        "{field} {value} on tuntematon maa-aines. {close}",
        "{field} {value} är ett okänt material. {close}",
    ),
    "waste_code_invalid": (
        "{field} {value} is no waste code. Write it like 17 05 04, with * when hazardous.",
        "{field} {value} ei ole jätenimike. Kirjoita 17 05 04, vaaralliselle * perään.",
        "{field} {value} är ingen avfallskod. Skriv 17 05 04, med * om farligt.",
    ),
    "link_invalid": (
        "{field} {value} is no address. Write it like https://example.org/report.pdf.",
        "{field} {value} ei ole osoite. Kirjoita https://example.org/raportti.pdf.",
        "{field} {value} är ingen webbadress. Skriv https://example.org/rapport.pdf.",
    ),
    "uuid_invalid": (
        "{field} {value} is no UUID. Send the id as the platform gave it.",
        "{field} {value} ei ole UUID. Lähetä alustan antama tunniste.",
        "{field} {value} är ingen UUID. Sänd id som plattformen gav det.",
    ),
    "list_too_long": (
        "{field} has {value} entries. Send at most {most}.",
        "{field} sisältää {value} kohtaa. Lähetä enintään {most}.",
        "{field} har {value} poster. Sänd högst {most}.",
    ),
    "date_invalid": (
        "{field} {value} is no day of the calendar. Write it like 2027-01-31.",
        "{field} {value} ei ole kalenterin päivä. Kirjoita 2027-01-31.",
        "{field} {value} är ingen kalenderdag. Skriv 2027-01-31.",
    ),
    "date_out_of_range": (
        "{field} {value} is not between 2000 and 2100. Check the year.",
        "{field} {value} ei ole välillä 2000–2100. Tarkista vuosi.",
        "{field} {value} är inte mellan 2000 och 2100. Kontrollera året.",
    ),
    # fields together
    "window_reversed": (
        "{field} {value} is before available_from {first}. Exchange the two dates.",
        "{field} {value} on ennen päivää available_from {first}. Vaihda päivät keskenään.",
        "{field} {value} är före available_from {first}. Byt plats på datumen.",
    ),
    "window_incomplete": (
        "{field} is missing beside its other end. Tell both ends or neither.",
        "{field} puuttuu toisen pään vierestä. Kerro molemmat päät tai ei kumpaakaan.",
        "{field} saknas bredvid sin andra ände. Berätta båda ändarna eller ingen.",
    ),
    "estimate_incomplete": (
        "{field} is missing. An estimate by {method} multiplies two inputs: tell both.",
        "{field} puuttuu. Arvio menetelmällä {method} on kahden luvun tulo: kerro molemmat.",
        "{field} saknas. En uppskattning med {method} är produkten av två tal: berätta båda.",
    ),
    "estimate_measured": (
        "method {value} is no estimate. Leave the estimate out, or tell method estimate.",
        "Menetelmä {value} ei ole arvio. Jätä estimate pois tai kerro method estimate.",
        "Metoden {value} är ingen uppskattning. Lämna bort estimate eller berätta method estimate.",
    ),
    "estimate_too_sure": (
        "reliability {value} is more than an early estimate has. Tell C, or leave it out.",
        "Luotettavuus {value} on enemmän kuin varhaisella arviolla on. Kerro C tai jätä pois.",
        "Tillförlitlighet {value} är mer än en tidig uppskattning har. Berätta C eller lämna bort.",
    ),
    "estimate_without_volume": (
        "unit {value} is no volume. An early estimate is in m3ktr, m3itd or m3rtr.",
        "Yksikkö {value} ei ole tilavuus. Varhainen arvio on m3ktr, m3itd tai m3rtr.",
        "Enheten {value} är ingen volym. En tidig uppskattning är i m3ktr, m3itd eller m3rtr.",
    ),
    "estimate_differs": (
        "quantity {value} is not the {volume} m3 that its estimate multiplies to. Correct one.",
        "Määrä {value} ei ole arvionsa tulo {volume} m3. Korjaa toinen.",
        "Mängden {value} är inte produkten {volume} m3 av sin uppskattning. Rätta den ena.",
    ),
    "low_above_quantity": (
        "{field} {value} is above quantity {quantity}. Give a lower bound.",
        "{field} {value} ylittää määrän {quantity}. Anna alaraja.",
        "{field} {value} är över mängden {quantity}. Ge en nedre gräns.",
    ),
    "high_below_quantity": (
        "{field} {value} is below quantity {quantity}. Give an upper bound.",
        "{field} {value} alittaa määrän {quantity}. Anna yläraja.",
        "{field} {value} är under mängden {quantity}. Ge en övre gräns.",
    ),
    "unit_refused": (
        "{field} {value} is not a unit here. {close}",
        "{field} {value} ei ole yksikkö täällä. {close}",
        "{field} {value} är ingen enhet här. {close}",
    ),
    "unit_without_state": (
        "{field} {value} does not say in what state the mass is. Say m3ktr (in place), m3itd"
        " (loose), m3rtr (in the structure) or t.",
        "{field} {value} ei kerro massan tilaa. Kerro m3ktr (kiinteä), m3itd (irto), m3rtr"
        " (rakenne) tai t.",
        "{field} {value} säger inte i vilket tillstånd massan är. Säg m3ktr (fast), m3itd (löst),"
        " m3rtr (anbringat) eller t.",
    ),
    "no_in_situ_state": (
        "{field} {value}: {material} cannot be measured in place. Tell m3itd, m3rtr or t.",
        "{field} {value}: ainetta {material} ei voi mitata kiinteänä. Kerro m3itd, m3rtr tai t.",
        "{field} {value}: {material} kan inte mätas i fast tillstånd. Säg m3itd, m3rtr eller t.",
    ),
    "no_conversion_factor": (
        "{field} {value}: no factor to tonnes is known for {material}. Tell tonnes.",
        "{field} {value}: aineelle {material} ei tunneta kerrointa tonneiksi. Kerro tonneina.",
        "{field} {value}: inget omräkningstal till ton är känt för {material}. Säg det i ton.",
    ),
    "acid_sulphate_contradicts": (
        "{field} {value} contradicts the material sulphide_clay. Say potential, actual or unknown,"
        " or tell another clay.",
        "{field} {value} on ristiriidassa aineen sulphide_clay kanssa. Kerro potential, actual tai"
        " unknown, tai muu savi.",
        "{field} {value} motsäger materialet sulphide_clay. Säg potential, actual eller unknown,"
        " eller en annan lera.",
    ),
    "soil_code_without_system": (
        "{field} {value} names no system: {readings}. Tell {{system, code}}, with GEO or ISO14688.",
        "{field} {value} ei nimeä luokitusta: {readings}. Kerro {{system, code}}, GEO tai"
        " ISO14688.",
        "{field} {value} nämner inget system: {readings}. Berätta {{system, code}}, GEO eller"
        " ISO14688.",
    ),
    "soil_code_unknown": (
        "{field} {value} is no code of {system}: {readings}. Use one of {codes}; finer fractions"
        " in lower case before.",
        "{field} {value} ei ole luokituksen {system} koodi: {readings}. Käytä jotakin {codes};"
        " hienommat lajitteet pienellä eteen.",
        "{field} {value} är ingen kod i {system}: {readings}. Använd en av {codes}; finare"
        " fraktioner med små bokstäver framför.",
    ),
    "soil_code_contradicts": (
        "{field} {value} contradicts the material {material}: {readings}. Correct the system, the"
        " code or the material.",
        "{field} {value} on ristiriidassa aineen {material} kanssa: {readings}. Korjaa luokitus,"
        " koodi tai aine.",
        "{field} {value} motsäger materialet {material}: {readings}. Rätta systemet, koden eller"
        " materialet.",
    ),
    "waste_code_contradicts": (
        "{field} {value} is no waste code of {material}. Use one of {codes}, or leave it out.",
        "{field} {value} ei ole aineen {material} jätenimike. Käytä jotakin {codes} tai jätä pois.",
        "{field} {value} är ingen avfallskod för {material}. Använd en av {codes}, eller lämna"
        " bort den.",
    ),
    "contamination_better_than_results": (
        "{field} {value} is better than the laboratory values say: {substance} {mg_per_kg} mg/kg"
        " exceeds the {limit} {limit_mg_per_kg}, which is {found}. Tell {found} or a worse class,"
        " or correct the values.",
        "{field} {value} on parempi kuin laboratoriotulokset: {substance} {mg_per_kg} mg/kg"
        " ylittää rajan ({limit} {limit_mg_per_kg}), luokka {found}. Kerro {found} tai huonompi,"
        " tai korjaa tulokset.",
        "{field} {value} är bättre än laboratorievärdena säger: {substance} {mg_per_kg} mg/kg"
        " överskrider {limit} {limit_mg_per_kg}, alltså {found}. Ange {found} eller en sämre"
        " klass, eller rätta värdena.",
    ),
    "lab_results_incomplete": (
        "contamination {value} is not shown by {field}: no result for {missing}. Add them, or tell"
        " contamination unknown.",
        "contamination {value} ei ilmene tuloksista {field}: puuttuu {missing}. Lisää ne tai kerro"
        " contamination unknown.",
        "contamination {value} visas inte av {field}: resultat saknas för {missing}. Lägg till dem"
        " eller ange contamination unknown.",
    ),
    "background_not_natural": (
        "{field}: no natural background is told for {value}. Tell it for metals only.",
        "{field}: aineelle {value} ei kerrota luontaista taustapitoisuutta. Kerro se vain"
        " metalleille.",
        "{field}: ingen naturlig bakgrund anges för {value}. Ange den bara för metaller.",
    ),
    "groundwater_contradicts": (
        "{field} {value} contradicts groundwater_class {of_class}. Class 1 and 2 are true, other"
        " and none are false; leave one of the two out.",
        "{field} {value} on ristiriidassa kentän groundwater_class {of_class} kanssa. Luokat 1 ja 2"
        " ovat true, other ja none false; jätä toinen pois.",
        "{field} {value} motsäger groundwater_class {of_class}. Klass 1 och 2 är true, other och"
        " none är false; lämna bort den ena.",
    ),
    "invasive_contradicts": (
        "{field} {value} contradicts the invasive_species told. Say present, suspected or treated,"
        " or leave the species out.",
        "{field} {value} on ristiriidassa ilmoitettujen lajien kanssa (invasive_species). Kerro"
        " present, suspected tai treated, tai jätä lajit pois.",
        "{field} {value} motsäger de arter som angavs (invasive_species). Säg present, suspected"
        " eller treated, eller lämna bort arterna.",
    ),
    "storage_day_missing": (
        "{field} is missing: the storage clock starts from it. Tell the first day of storage.",
        "{field} puuttuu: varastointiaika alkaa siitä. Kerro ensimmäinen varastointipäivä.",
        "{field} saknas: lagringstiden börjar då. Ange den första lagringsdagen.",
    ),
    "contamination_above_site": (
        "{field} {value} is hazardous waste, which a {site_kind} cannot take. Tell P3 at most, or"
        " site_kind hazardous_reception.",
        "{field} {value} on vaarallista jätettä, jota {site_kind} ei voi ottaa vastaan. Kerro"
        " enintään P3 tai site_kind hazardous_reception.",
        "{field} {value} är farligt avfall, som {site_kind} inte kan ta emot. Ange högst P3 eller"
        " site_kind hazardous_reception.",
    ),
    "delivery_of_nothing": (
        "The delivery names no forecast, match or area. Name one of them.",
        "Toimitus ei nimeä ennustetta, osumaa eikä aluetta. Nimeä jokin niistä.",
        "Leveransen nämner ingen prognos, träff eller plats. Nämn en av dem.",
    ),
    "virgin_in_match": (
        "{field} {value}: virgin material is delivered under no match. Name the need as forecast.",
        "{field} {value}: neitseellistä materiaalia ei toimiteta osumalle. Nimeä tarve ennusteena.",
        "{field} {value}: jungfruligt material levereras inte under en träff. Nämn behovet som"
        " prognos.",
    ),
    # the place
    "region_unknown": (
        "{field} {value} is not a region here. {close}",
        "{field} {value} ei ole seutu täällä. {close}",
        "{field} {value} är ingen region här. {close}",
    ),
    "sample_stays_sample": (
        "{field} {value}: an organisation of the sample region cannot report into a real one. Use"
        " {own}.",
        "{field} {value}: esimerkkiseudun organisaatio ei voi ilmoittaa oikealle seudulle. Käytä"
        " {own}.",
        "{field} {value}: en organisation i exempelregionen kan inte rapportera till en verklig."
        " Använd {own}.",
    ),
    "municipality_unknown": (
        "{field} {value} is not a place of region {region}. {close}",
        "{field} {value} ei ole seudun {region} kunta. {close}",
        "{field} {value} är ingen ort i regionen {region}. {close}",
    ),
    "coordinates_incomplete": (
        "{field} is missing beside the other coordinate. Tell lat and lon, or neither.",
        "{field} puuttuu toisen koordinaatin vierestä. Kerro lat ja lon tai ei kumpaakaan.",
        "{field} saknas bredvid den andra koordinaten. Berätta lat och lon, eller ingen.",
    ),
    "coordinates_swapped": (
        "lat {lat}, lon {lon} lies outside {region}; read the other way, lat {lon}, lon {lat}, it"
        " lies inside. Exchange the two.",
        "lat {lat}, lon {lon} on seudun {region} ulkopuolella; toisin päin, lat {lon}, lon {lat},"
        " sisällä. Vaihda ne keskenään.",
        "lat {lat}, lon {lon} ligger utanför {region}; omvänt, lat {lon}, lon {lat}, ligger det"
        " innanför. Byt plats på dem.",
    ),
    "coordinates_in_metres": (
        "lat {lat}, lon {lon} are no degrees: they read as metres of {crs}, E {east}, N {north}."
        " Convert them to WGS 84 degrees.",
        "lat {lat}, lon {lon} eivät ole asteita: ne ovat metrejä, {crs}, E {east}, N {north}."
        " Muunna ne WGS 84 -asteiksi.",
        "lat {lat}, lon {lon} är inga grader: de är meter i {crs}, E {east}, N {north}. Räkna om"
        " dem till WGS 84-grader.",
    ),
    "coordinates_outside_region": (
        "lat {lat}, lon {lon} lies outside region {region}. Check the point, or name its region.",
        "lat {lat}, lon {lon} on seudun {region} ulkopuolella. Tarkista piste tai nimeä sen seutu.",
        "lat {lat}, lon {lon} ligger utanför regionen {region}. Kontrollera punkten eller nämn"
        " dess region.",
    ),
    # who, and what is known
    "organisation_suspended": (
        "{value} is suspended. Ask the region's coordinator to open it again.",
        "{value} on suljettu. Pyydä seudun koordinaattoria avaamaan se.",
        "{value} är avstängd. Be regionens koordinator öppna den igen.",
    ),
    "owner_unknown": (
        "{field} {value} is not an organisation here. Use its token.",
        "{field} {value} ei ole organisaatio täällä. Käytä sen tunnusta.",
        "{field} {value} är ingen organisation här. Använd dess beteckning.",
    ),
    "no_mandate": (
        "{field}: {value} has given {reporter} no mandate. Ask for one, or leave owner out.",
        "{field}: {value} ei ole valtuuttanut organisaatiota {reporter}. Pyydä valtuutus tai jätä"
        " owner pois.",
        "{field}: {value} har inte gett {reporter} fullmakt. Be om en, eller lämna bort owner.",
    ),
    "contact_unknown": (
        "{field} {value} is no member of the organisation. Add the person first.",
        "{field} {value} ei ole organisaation jäsen. Lisää henkilö ensin.",
        "{field} {value} är ingen medlem i organisationen. Lägg till personen först.",
    ),
    "project_unknown": (
        "{field} {value} was not told. Send project-added with this external_id first.",
        "Kohdetta {value} ({field}) ei ole ilmoitettu. Lähetä ensin project-added tällä"
        " external_id:llä.",
        "{field} {value} har inte berättats. Sänd först project-added med detta external_id.",
    ),
    "project_changed": (
        "{field} {value}: this forecast belongs to another project. Cancel it and tell a new one.",
        "{field} {value}: ennuste kuuluu toiseen kohteeseen. Peru se ja kerro uusi.",
        "{field} {value}: prognosen hör till ett annat projekt. Avbryt den och berätta en ny.",
    ),
    "forecast_unknown": (
        "{field} {value} was not told. Send its forecast-updated first.",
        "Ennustetta {value} ({field}) ei ole ilmoitettu. Lähetä ensin forecast-updated.",
        "{field} {value} har inte berättats. Sänd först forecast-updated.",
    ),
    "area_unknown": (
        "{field} {value} was not told. Send its area-updated first.",
        "Aluetta {value} ({field}) ei ole ilmoitettu. Lähetä ensin area-updated.",
        "{field} {value} har inte berättats. Sänd först area-updated.",
    ),
}

WORDS: dict[str, tuple[str, str, str]] = {
    "text": ("text", "teksti", "text"),
    "number": ("a number, not text", "luku, ei teksti", "ett tal, inte text"),
    "integer": ("a whole number", "kokonaisluku", "ett heltal"),
    "boolean": ("true or false", "true tai false", "true eller false"),
    "date": ("a day like 2027-01-31", "päivä kuten 2027-01-31", "en dag som 2027-01-31"),
    "list": ("a list of texts", "lista tekstejä", "en lista av texter"),
    "object": (
        "an object of named values",
        "olio, jossa on nimettyjä arvoja",
        "en grupp namngivna värden",
    ),
    "threshold": ("threshold", "kynnysarvo", "tröskelvärdet"),
    "background": ("natural background", "taustapitoisuus", "bakgrundshalten"),
    "lower": ("lower guideline", "alempi ohjearvo", "undre riktvärdet"),
    "upper": ("upper guideline", "ylempi ohjearvo", "övre riktvärdet"),
    "close": ("Did you mean {close}?", "Tarkoititko {close}?", "Menade du {close}?"),
    "leave_out": ("Leave it out.", "Jätä se pois.", "Utelämna det."),
    "one_of": ("Use one of: {close}.", "Käytä jotakin: {close}.", "Använd en av: {close}."),
}


def spoken(reason: Reason, language: str) -> str:
    """The sentence of *reason* in *language* (en, fi, sv; another is told in English)."""
    at = LANGUAGES.index(language) if language in LANGUAGES else 0
    says: dict[str, Any] = {"field": field_of(reason.pointer), "value": quoted(reason.value)}
    for name, value in reason.says.items():
        says[name] = _word(name, value, at)
    return TEXTS[reason.code][at].format(**says)


def _word(name: str, value: Any, at: int) -> str:
    if name in ("wanted", "limit") and value in WORDS:
        return WORDS[value][at]
    if name == "close":
        how, codes = value
        return WORDS[how if codes else "leave_out"][at].format(close=", ".join(codes))
    return in_words(value)
