"""The app pool: one proxy, which serves every version of every app and owns their workers. Its folder is the apps' only state."""
