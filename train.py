from w2l.cli.commands import train

if __name__ == "__main__":
    train()
