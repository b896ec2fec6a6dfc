"""
The registry keeps every project and forecast, and is the companies' door.

Keeps organisations with their keys, mandates and members, the regions, and each project, forecast,
area and reported delivery with its revision. Takes companies' events in, over NATS and HTTPS, and
answers each with one receipt. Announces organisation-updated, project-added, project-updated,
project-withdrawn, forecast-updated, area-updated and delivery-reported. Says who asks: it gives the
signed tokens that every service reads.
"""
