"""Run the commands: python -m tapelight."""

from tapelight.cli import main

if __name__ == "__main__":
    main()
