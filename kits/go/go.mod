module oriel.dev/kit

go 1.22
