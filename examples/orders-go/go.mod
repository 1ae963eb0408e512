module orders

go 1.22

require oriel.dev/kit v0.0.0

replace oriel.dev/kit => ../../kits/go
