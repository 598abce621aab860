"""`python -m empathy VERB`, the same as the command `empathy VERB`."""

from empathy import command

if __name__ == '__main__':
  command.main()
