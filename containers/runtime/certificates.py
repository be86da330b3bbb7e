# Appended to ssl.py: the image may keep its certificates elsewhere than Debian, or have none: then certifi's serve.


def _load_default_certs(self, purpose=Purpose.SERVER_AUTH, *, _load=SSLContext.load_default_certs):  # noqa: F821
    _load(self, purpose)
    places = get_default_verify_paths()  # noqa: F821
    if places.cafile or places.capath:
        return
    for bundle in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"):
        if os.path.isfile(bundle):  # noqa: F821
            self.load_verify_locations(bundle)
            return
    import certifi

    self.load_verify_locations(certifi.where())


SSLContext.load_default_certs = _load_default_certs  # noqa: F821
