#!/bin/sh
# Give the browser tests a Chromium: the system's own, or apt's where we may install it.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing Chromium for the browser tests"
    apt-get update --quiet=2 && apt-get install --quiet=2 --yes chromium >/dev/null && exit 0
fi
echo "NOTE: no Chromium here and none could be installed: THE BROWSER TESTS WILL BE SKIPPED."
echo "      Install the package 'chromium' and run 'make test' again."
