"""``python -m stokeswarm.client.cli``."""

from stokeswarm.client.cli.app import main

if __name__ == "__main__":
    main()
