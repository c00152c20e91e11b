"""The ground floor: errors, settings, the data folder, the database and text helpers."""
