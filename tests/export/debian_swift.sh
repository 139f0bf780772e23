#!/bin/bash
# Debian 13's Swift beside an older Debian: unpacks it to DIR/root and writes DIR/swift, which runs it there in the present
# folder. Needs root, apt-get and 3 GB: `tests/export/debian_swift.sh DIR`, then `SWIFT=DIR/swift python -m pytest ...`.
set -euo pipefail
dir=$(realpath -m "$1")
root=$dir/root
mkdir -p "$dir"/{lists,cache/archives}/partial "$root"
touch "$dir/status"
cat > "$dir/apt.conf" <<END
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
END
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" > "$dir/sources.list"
export APT_CONFIG=$dir/apt.conf
apt-get update -qq
apt-get install -yqq --download-only swiftlang swiftlang-dev libc6-dev libstdc++-14-dev base-files bash coreutils
for package in "$dir"/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner
done
rm -r "$dir/cache"
mkdir -p "$root"/{dev,proc,tmp}
ln -sf bash "$root/usr/bin/sh"
for device in null:3 random:8 urandom:9; do
  [ -e "$root/dev/${device%:*}" ] || mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
cat > "$dir/swift" <<END
#!/bin/bash
exec unshare -m bash "$dir/enter" "\$PWD" "\$@"
END
cat > "$dir/enter" <<END
mount --rbind /proc "$root/proc"
mkdir -p "$root\$1"
mount --bind "\$1" "$root\$1"
exec chroot "$root" /usr/bin/env -i HOME=/tmp PATH=/usr/libexec/swift/bin:/usr/bin \\
  LD_LIBRARY_PATH=/usr/libexec/swift/lib/swift/linux:/usr/libexec/swift/lib/swift/host bash -c 'cd "\$0" && exec swift "\$@"' "\$@"
END
chmod +x "$dir/swift"
"$dir/swift" --version
